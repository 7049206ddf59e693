"""The names of a template's keys, in the order in which they are stored and printed.

What they mean and which values they take is defined in kimchictl.catalog.fields; a listing needs the names alone.
"""

TEMPLATE_KEYS = (
    "name",
    "os_distro",
    "os_version",
    "os_arch",
    "cdrom",
    "mirrors",
    "checksum",
    "icon",
    "folder",
    "description",
    "memory",
    "max_memory",
    "vcpus",
    "max_vcpus",
    "topology",
    "disks",
    "networks",
    "graphics",
    "firmware",
    "secure_boot",
    "tpm",
    "cpu",
    "machine",
    "virt_type",
    "disk_bus",
    "nic_model",
    "cloud_init",
    "made",
)
