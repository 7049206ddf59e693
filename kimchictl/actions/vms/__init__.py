"""Virtual machines: planned, made, changed, copied and removed."""
