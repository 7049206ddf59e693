"""Disks, media and interfaces of a VM that exists: listed, attached, changed, detached."""
