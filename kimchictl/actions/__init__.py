"""Where the rooms meet: one thing that kimchictl does, a file.

images      finding images and reading them: scans, sources, what a site teaches, mirrors, fetching
documents   templates and known distributions: made, changed, checked, listed, carried to other hosts
vms         virtual machines: planned, made, changed, copied, removed
storage     pools and volumes, and who needs them
host        what the host can do, what it uses, what is wrong with it, and work that takes long
"""
