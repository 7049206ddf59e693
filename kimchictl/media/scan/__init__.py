"""The walk over directory trees, and what is remembered of them."""
