"""What is noted in a domain's <metadata>: which template it came from, which system is on it.

Two elements, each in a namespace of its own, as libvirt demands: ours, and libosinfo's, by which virt-manager, Boxes
and Cockpit choose an icon.

    <kimchi:vm xmlns:kimchi="https://kimchictl.org/xmlns/domain/1.0">
      <kimchi:template name="debian-12"/>
      <kimchi:os distro="debian" version="12.5.0" arch="x86_64"/>
    </kimchi:vm>
    <libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0">
      <libosinfo:os id="http://debian.org/debian/12"/>
    </libosinfo:libosinfo>
"""

import re
from dataclasses import dataclass
from xml.etree import ElementTree

from kimchictl.virt import xml

NAMESPACE = "https://kimchictl.org/xmlns/domain/1.0"
LIBOSINFO = "http://libosinfo.org/xmlns/libvirt/domain/1.0"

ElementTree.register_namespace("kimchi", NAMESPACE)
ElementTree.register_namespace("libosinfo", LIBOSINFO)

# Our os_distro -> libosinfo's id without the version, and how many numbers of the version belong to it.
_OSINFO: dict[str, tuple[str, int]] = {
    "almalinux": ("http://almalinux.org/almalinux", 1),
    "alpinelinux": ("http://alpinelinux.org/alpinelinux", 2),
    "centos": ("http://centos.org/centos", 2),
    "debian": ("http://debian.org/debian", 1),
    "fedora": ("http://fedoraproject.org/fedora", 1),
    "freebsd": ("http://freebsd.org/freebsd", 2),
    "mageia": ("http://mageia.org/mageia", 1),
    "netbsd": ("http://netbsd.org/netbsd", 2),
    "nixos": ("http://nixos.org/nixos", 2),
    "ol": ("http://oracle.com/ol", 2),
    "openbsd": ("http://openbsd.org/openbsd", 2),
    "opensuse": ("http://opensuse.org/opensuse", 2),
    "rhel": ("http://redhat.com/rhel", 2),
    "rocky": ("http://rockylinux.org/rocky", 1),
    "slackware": ("http://slackware.com/slackware", 2),
    "sle": ("http://suse.com/sle", 2),
    "sled": ("http://suse.com/sled", 2),
    "sles": ("http://suse.com/sles", 2),
    "ubuntu": ("http://ubuntu.com/ubuntu", 2),
}
_ROLLING = {
    "arch": "http://archlinux.org/archlinux/rolling",
    "gentoo": "http://gentoo.org/gentoo/rolling",
    "opensuse": "http://opensuse.org/opensuse/tumbleweed",
}
# Windows: our version -> libosinfo's.
_WINDOWS = {
    **dict.fromkeys(("xp", "vista", "7", "8", "8.1", "10", "11"), ""),
    "2000": "2k",
    "2003": "2k3",
    "2003r2": "2k3r2",
    "2008": "2k8",
    "2008r2": "2k8r2",
    "2012": "2k12",
    "2012r2": "2k12r2",
    "2016": "2k16",
    "2019": "2k19",
    "2022": "2k22",
    "2025": "2k25",
}


@dataclass(frozen=True, slots=True)
class Origin:
    """What a VM's metadata say: its template and its system, None where they do not.

    `seed` is "POOL/VOLUME" of the cloud-init data that were made for it, and go with it.
    """

    template: str | None = None
    os_distro: str | None = None
    os_version: str | None = None
    os_arch: str | None = None
    seed: str | None = None


def osinfo_id(os_distro: str, os_version: str) -> str | None:
    """libosinfo's id of a system, such as "http://debian.org/debian/12"; None where it has none that we know."""
    if os_distro == "windows":
        version = _WINDOWS.get(os_version)
        return None if version is None else f"http://microsoft.com/win/{version or os_version}"
    match = re.search(r"\d+(?:\.\d+)*", os_version)
    if match is None or os_distro not in _OSINFO:
        return _ROLLING.get(os_distro)
    numbers = match[0].split(".")
    if os_distro == "centos" and int(numbers[0]) >= 7:
        # 7 has one entry for all its releases, 8 likewise, and from 9 on there is only Stream.
        return {7: "http://centos.org/centos/7.0", 8: "http://centos.org/centos/8"}.get(
            int(numbers[0]), f"http://centos.org/centos-stream/{numbers[0]}"
        )
    prefix, parts = _OSINFO[os_distro]
    return f"{prefix}/{'.'.join(numbers[:parts])}"


def add_metadata(domain: xml.Element, origin: Origin) -> None:
    """Append `<metadata>` to `domain`."""
    metadata = xml.add(domain, "metadata")
    ours = xml.add(metadata, f"{{{NAMESPACE}}}vm")
    xml.add(ours, f"{{{NAMESPACE}}}template", name=origin.template)
    xml.add(ours, f"{{{NAMESPACE}}}os", distro=origin.os_distro, version=origin.os_version, arch=origin.os_arch)
    if origin.seed:
        pool, _, volume = origin.seed.partition("/")
        xml.add(ours, f"{{{NAMESPACE}}}seed", pool=pool, volume=volume)
    identifier = osinfo_id(origin.os_distro or "unknown", origin.os_version or "unknown")
    if identifier:
        theirs = xml.add(metadata, f"{{{LIBOSINFO}}}libosinfo")
        xml.add(theirs, f"{{{LIBOSINFO}}}os", id=identifier)


def read_metadata(domain: xml.Element) -> Origin:
    """What `domain` says; of a VM that another tool made, what libosinfo's element says."""
    ours = domain.find(f"metadata/{{{NAMESPACE}}}vm")
    if ours is not None:
        template = ours.find(f"{{{NAMESPACE}}}template")
        system = ours.find(f"{{{NAMESPACE}}}os")
        name = template.get("name") if template is not None else None
        of = system.attrib if system is not None else {}
        seed = ours.find(f"{{{NAMESPACE}}}seed")
        volume = f"{seed.get('pool')}/{seed.get('volume')}" if seed is not None else None
        return Origin(name, of.get("distro"), of.get("version"), of.get("arch"), seed=volume)
    theirs = domain.find(f"metadata/{{{LIBOSINFO}}}libosinfo/{{{LIBOSINFO}}}os")
    return Origin(None, *_from_osinfo(theirs.get("id") if theirs is not None else None))


def _from_osinfo(identifier: str | None) -> tuple[str | None, str | None]:
    match = re.fullmatch(r"https?://[^/]+/([^/]+)/([^/]+)", identifier or "")
    if match is None:
        return None, None
    distro, version = match.groups()
    if distro == "win":
        return "windows", next((ours for ours, its in _WINDOWS.items() if its == version), version)
    return {"archlinux": "arch", "centos-stream": "centos"}.get(distro, distro), version
