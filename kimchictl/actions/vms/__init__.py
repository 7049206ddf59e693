"""Virtual machines that exist: changed, copied, waited for, compared and removed.

create    from a template: planned, made, started      devices    their disks, media and interfaces
"""
