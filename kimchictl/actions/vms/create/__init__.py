"""A VM from a template: planned, looked at beforehand, made and started; and what a killed one left, taken back."""
