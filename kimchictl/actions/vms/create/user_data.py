"""User data of cloud-init, read from a file of this machine; and who is known not to read them."""

from kimchictl.catalog.records import Template
from kimchictl.errors import Failed, Invalid, NotFound
from kimchictl.media.seed import LARGEST, check_user_data

# Their installers take answers in other forms. Ubuntu's reads cloud-init data (autoinstall), as does Arch's medium.
_DEAF = (
    *("almalinux", "centos", "centos-stream", "debian", "eurolinux", "fedora", "miraclelinux", "ol", "rhel", "rocky"),
    *("opensuse", "sled", "sles", "windows", "freebsd", "netbsd", "openbsd"),
)


def in_vain(template: Template) -> str | None:
    """A sentence where nobody will read user data in a VM of `template`: it boots an installer that knows of none."""
    if template.cdrom is None or any(disk.base for disk in template.disks or ()) or template.os_distro not in _DEAF:
        return None
    return (
        f"the installer of {template.os_distro} reads no cloud-init data: at best the installed system does; "
        "they are for a template of a cloud image (template create --image)"
    )


def read_user_data(path: str) -> bytes:
    """What is in the file at `path`. Raises NotFound, Failed, and Invalid for what is no user data."""
    if path.startswith("pool:"):
        raise Invalid(f"user data are read from a file of this machine, not from {path!r}", "give --cloud-init FILE")
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise NotFound(f"user data {path!r} do not exist") from None
    except OSError as error:
        raise Failed(f"user data {path!r} cannot be read: {error.strerror}") from None
    check_user_data(data, f"file {path!r}")
    return data
