"""The only package that imports libvirt. Records come out of it, never a virDomain."""
