"""How the network is to be used; light enough to be made by commands that never use it."""

from dataclasses import dataclass

from kimchictl.config import Config


@dataclass(frozen=True, slots=True)
class NetSettings:
    """`timeout` is the deadline of one probe in seconds, and how long a download may stand still.

    `ca_file` holds certificates to trust besides the system's; `netrc` names the credentials file, None is ~/.netrc.
    """

    timeout: float = 15.0
    ca_file: str | None = None
    netrc: str | None = None


def net_settings(config: Config) -> NetSettings:
    """What `config` says of the network."""
    return NetSettings(config["net.timeout"], config["net.ca_file"], config["net.netrc"])
