"""kimchictl: find images, name them, make templates of them, and VMs of the templates."""

# A literal: importlib.metadata costs more to import than `--version` is worth.
__version__ = "0.1.0"
