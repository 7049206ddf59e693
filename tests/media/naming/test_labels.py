"""The tables of labels: what is published is named, what is no operating system is not, without any database."""

from pathlib import Path

import pytest

from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import open_database
from kimchictl.media.records import Media

HERE = Path(__file__).parent
FIELDS = {"volume": "volume_id", "set": "volume_set_id", "publisher": "publisher_id", "application": "application_id"}

BOILERPLATE = [
    {},
    {"system_id": "LINUX", "application_id": "GENISOIMAGE ISO 9660/HFS FILESYSTEM CREATOR (C) 1993 E.YOUNGDALE"},
    {"publisher_id": "MICROSOFT CORPORATION", "application_id": "CDIMAGE 2.56 (01/01/2005 TM)"},
]


def lines(name):
    return [line for line in (HERE / name).read_text("utf-8").splitlines() if line and not line.startswith("#")]


def parsed(line):
    """The expected identity and the medium of a line of labels.txt."""
    expected, _, labels = line.partition(" : ")
    volume, *others = labels.split(" | ")
    given = {"volume": volume, **dict(other.split("=", 1) for other in others)}
    return expected, Media(size=0, **{FIELDS[label]: text for label, text in given.items()})


@pytest.fixture(scope="module")
def namer():
    return Namer(open_database(("/nonexistent",), None))


def test_a_published_image_is_named_by_our_rules_alone(namer):
    for line in lines("labels.txt"):
        expected, media = parsed(line)
        found = namer.identify(media)
        assert f"{found.os_distro} {found.os_version} {found.os_variant or '-'}" == expected, line


def test_what_is_no_operating_system_is_not_named(namer):
    for label in lines("no-systems.txt"):
        named = [namer.identify(Media(size=0, volume_id=label, **ids)).os_distro for ids in BOILERPLATE]
        assert named == ["unknown"] * len(BOILERPLATE), label


def test_the_label_of_an_installer_is_none_once_it_speaks_of_somebodys_files(namer):
    for line in lines("labels.txt"):
        _, media = parsed(line)
        label = f"{media.volume_id} backup"[-32:]
        assert namer.identify(Media(size=0, volume_id=label)).os_distro == "unknown", label
