"""The distributions that are shipped: none can be reached from here, so their shape and structure must do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kimchictl.actions.documents.distro_check import contradiction
from kimchictl.catalog.distros import parse_distro
from kimchictl.media.naming.arches import canonical_arch
from kimchictl.media.naming.identify import identify
from kimchictl.media.records import Media
from kimchictl.store.documents import encode

DIRECTORY = Path(__file__).parent.parent / "distros"
FILES = sorted(DIRECTORY.iterdir())
DISTROS = [parse_distro(json.loads(path.read_text("utf-8")), path.name) for path in FILES]

# Servers that publish their images without TLS only.
WITHOUT_TLS = {"ftp.altlinux.ru"}

# The volume ids that these releases are known to have; for what is not here, none is known for sure.
LABELS = {
    r"debian-12(-dvd)?": "Debian 12.14.0 amd64 n",
    r"debian-13(-dvd)?-aarch64": "Debian 13.4.0 arm64 1",
    r"debian-13-live": "d-live 13.4.0 gn amd64",
    r"ubuntu-22.04-server": "Ubuntu-Server 22.04.5 LTS amd64",
    r"ubuntu-24.04-server-aarch64": "Ubuntu-Server 24.04.3 LTS arm64",
    r"ubuntu-24.04-desktop": "Ubuntu 24.04.3 LTS amd64",
    r"ubuntu-26.04-desktop": "Ubuntu 26.04 LTS amd64",
    r"fedora-43-server": "Fedora-S-dvd-x86_64-43",
    r"fedora-44-server-aarch64": "Fedora-S-dvd-aarch64-44",
    r"fedora-44-everything": "Fedora-E-dvd-x86_64-44",
    r"fedora-43-workstation": "Fedora-WS-Live-43",
    r"rocky-8(-minimal|-dvd)?": "Rocky-8-10-x86_64-dvd",
    r"rocky-9-aarch64": "Rocky-9-6-aarch64-dvd",
    r"rocky-10(-minimal|-dvd)?": "Rocky-10-0-x86_64-dvd",
    r"almalinux-9": "AlmaLinux-9-6-x86_64-dvd",
    r"almalinux-10-aarch64": "AlmaLinux-10-0-aarch64-dvd",
    r"centos-stream-9(-dvd)?": "CentOS-Stream-9-BaseOS-x86_64",
    r"centos-stream-10-aarch64": "CentOS-Stream-10-BaseOS-aarch64",
    r"oracle-linux-8.8": "OL-8-8-0-BaseOS-x86_64",
    r"oracle-linux-9.2-aarch64": "OL-9-2-0-BaseOS-aarch64",
    r"opensuse-leap-15.6-dvd": "openSUSE-Leap-15.6-DVD-x86_64710",
    r"opensuse-tumbleweed": "openSUSE-Tumbleweed-NET-x86_6411",
    r"alpine-3.22": "alpine-std 3.22.2 x86_64",
    r"alpine-3.23-virt-aarch64": "alpine-virt 3.23.0 aarch64",
    r"arch": "ARCH_202605",
    r"freebsd-14.4-dvd": "14_4_RELEASE_AMD64_DVD",
    r"freebsd-14.4-aarch64": "14_4_RELEASE_AARCH64_CD",
    r"netbsd-9.4": "NETBSD_94",
    r"netbsd-10.0": "NETBSD_100",
    r"openbsd-7.8": "OpenBSD/amd64   7.8 boot-only CD",
    r"nixos-25.11": "nixos-minimal-25.11-x86_64",
}


def test_a_file_is_named_after_its_entry_and_written_as_the_tool_writes_it() -> None:
    for path in FILES:
        document = json.loads(path.read_text("utf-8"))
        assert path.name == document["name"] + ".json"
        assert path.read_bytes() == encode(document), path


def test_there_are_enough_of_them_and_each_is_there_once() -> None:
    assert len(DISTROS) >= 60
    assert len({distro.os_distro for distro in DISTROS}) >= 15
    assert len({distro.name.casefold() for distro in DISTROS}) == len(DISTROS)
    links = [url for distro in DISTROS for url in (distro.cdrom, *distro.mirrors)]
    assert len(set(links)) == len(links)


def test_they_have_no_keys_that_nobody_knows_and_nothing_of_this_host() -> None:
    assert all(not distro.extra for distro in DISTROS)
    assert all(disk.pool is None and disk.base is None for distro in DISTROS for disk in distro.disks or ())


def test_an_entry_says_what_a_template_needs() -> None:
    for distro in DISTROS:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*", distro.name), distro.name
        assert "unknown" not in (distro.os_distro, distro.os_version), distro.name
        assert distro.os_arch in ("x86_64", "aarch64"), distro.name
        assert distro.icon and distro.description, distro.name
        assert distro.name.startswith(("oracle", "endless", distro.os_distro[:4])), distro.name
        assert (distro.firmware == "uefi") == (distro.os_arch == "aarch64"), distro.name


def test_a_link_is_https_where_that_is_published_and_leads_to_an_image() -> None:
    for distro in DISTROS:
        for url in (distro.cdrom, *distro.mirrors):
            parts = urlsplit(url or "")
            assert parts.scheme == "https" or parts.hostname in WITHOUT_TLS, distro.name
            assert (parts.query or parts.path).endswith(".iso"), distro.name
        if distro.checksum is not None:
            assert distro.checksum.startswith(("https://", "sha256:")), distro.name
            assert re.search(r"sha|checksum", distro.checksum.rsplit("/", 1)[-1], re.IGNORECASE), distro.name


def test_the_architecture_is_the_one_that_the_links_name() -> None:
    for distro in DISTROS:
        for url in (distro.cdrom, *distro.mirrors, distro.checksum):
            words = re.split(r"[/_.=&-]+", (url or "").replace("x86_64", "amd64"))
            named = {canonical_arch(word) for word in words if word in ("amd64", "arm64", "aarch64", "i386", "i686")}
            assert named <= {distro.os_arch}, distro.name


def test_the_release_is_the_one_that_the_link_names() -> None:
    for distro in DISTROS:
        codenames = {"22.04": "jammy", "24.04": "noble", "26.04": "resolute"}
        version = distro.os_version
        if version == "rolling":
            assert "latest" in (distro.cdrom or "").lower(), distro.name
            continue
        words = [version, codenames.get(version, version), version.replace(".", "/u"), version.replace(".", "")]
        assert any(word in (distro.cdrom or "") for word in words), distro.name
        assert version in distro.name, distro.name


@pytest.mark.parametrize(("names", "label"), LABELS.items(), ids=list(LABELS))
def test_the_rules_name_the_label_of_the_release_as_the_entry_does(
    names: str, label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tree in ("SYSTEM", "LOCAL", "USER"):
        monkeypatch.setenv(f"OSINFO_{tree}_DIR", "/nonexistent")  # our own rules must do
    identity = identify(Media(size=1 << 30, volume_id=label, bootable=True))
    matching = [distro for distro in DISTROS if re.fullmatch(names, distro.name)]
    assert matching and identity.os_distro != "unknown"
    assert [contradiction(distro, identity) for distro in matching] == [None] * len(matching)
