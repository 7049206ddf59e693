"""User data of cloud-init, read from a file of this machine."""

from kimchictl.errors import Failed, Invalid, NotFound
from kimchictl.media.seed import LARGEST, check_user_data


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
