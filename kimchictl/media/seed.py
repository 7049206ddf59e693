"""The seed of a cloud image: a small ISO 9660 image from which cloud-init takes its data at the first boot.

Its NoCloud source looks for the volume id `cidata` and the files `user-data` and `meta-data`:
https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

import io
import re

from kimchictl.errors import Invalid

VOLUME_ID = "cidata"
LARGEST = 1 << 20  # bytes of user data
_HEADERS = (
    b"#cloud-config",
    b"#!",
    b"#include",
    b"#cloud-boothook",
    b"#part-handler",
    b"## template:",
    b"Content-Type:",
)


def seed_image(user_data: bytes, hostname: str, instance_id: str) -> bytes:
    """The image. `instance_id` is new for every VM: it is by that cloud-init knows that it boots for the first time."""
    import pycdlib

    meta = f'instance-id: "{instance_id}"\nlocal-hostname: "{host_label(hostname)}"\n'.encode()
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=VOLUME_ID)
    for short, name, content in (("USERDATA", "user-data", user_data), ("METADATA", "meta-data", meta)):
        iso.add_fp(io.BytesIO(content), len(content), f"/{short}.;1", rr_name=name, joliet_path=f"/{name}")
    out = io.BytesIO()
    iso.write_fp(out)
    iso.close()
    return out.getvalue()


def check_user_data(data: bytes, what: str) -> None:
    """Raises Invalid for what cloud-init would pass over: it tells by the first line what it is given."""
    if len(data) > LARGEST:
        raise Invalid(f"{what} is larger than {LARGEST >> 20} MiB")
    if not data.lstrip(b"\xef\xbb\xbf").startswith((*_HEADERS, b"MIME-Version:", b"\x1f\x8b")):
        raise Invalid(f"{what} is no user data of cloud-init", "its first line is #cloud-config, or #! of a script")


def host_label(name: str) -> str:
    """`name` as the name of a host: letters without their accents, digits and hyphens (RFC 1123 2.1)."""
    from unicodedata import combining, normalize

    plain = "".join(each for each in normalize("NFKD", name.casefold()) if not combining(each))
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63].strip("-")
    return label or "vm"
