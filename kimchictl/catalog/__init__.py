"""The documents an admin keeps: templates and known distros. Never imports libvirt, never prints."""
