"""Images: read them, find them, name them. Never imports libvirt, never prints."""
