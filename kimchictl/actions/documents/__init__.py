"""Templates and known distributions: made, changed, checked, listed, carried to other hosts."""
