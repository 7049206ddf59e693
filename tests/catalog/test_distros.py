"""Known distributions as documents."""

import pytest

from kimchictl.catalog.distros import addresses, parse_distro, runs_on
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import to_document
from kimchictl.catalog.templates import from_distro
from kimchictl.errors import Invalid

ENTRY = {
    "name": "Debian 12",
    "os_distro": "debian",
    "os_version": "12",
    "os_arch": "x86_64",
    "cdrom": "https://cdimage.debian.org/d/debian.iso",
    "mirrors": ["https://mirror.example/debian.iso"],
    "checksum": "https://cdimage.debian.org/d/SHA256SUMS",
}


def test_a_distro_under_another_name_is_a_template():
    template = from_distro(parse_distro(ENTRY, "it"), "my", Changes(), {"by": "distro"})
    assert to_document(template, provenance=False) == {**ENTRY, "name": "my"}


@pytest.mark.parametrize("broken", [{"cdrom": None}, {"cdrom": "gopher://x/y"}, {"memory": 1}])
def test_a_distro_follows_the_rules_of_a_template_and_names_an_image(broken):
    with pytest.raises(Invalid):
        parse_distro({**ENTRY, **broken}, "it")


def test_a_distro_without_an_image_is_refused():
    with pytest.raises(Invalid, match="'cdrom' is missing"):
        parse_distro({"name": "x"}, "it")


@pytest.mark.parametrize(
    ("arch", "runs"),
    [
        *((arch, True) for arch in ("amd64", "x86_64", "i686", "i386", None)),
        *((arch, False) for arch in ("ppc64", "s390x", "aarch64", "strange")),
    ],
)
def test_what_a_pc_runs(arch, runs):
    assert runs_on(arch, "x86_64") is runs


def test_a_sites_mirror_is_tried_first_and_the_longest_prefix_counts():
    distro = parse_distro(ENTRY, "it")
    preference = {"https://cdimage.debian.org/": "http://far/", "https://cdimage.debian.org/d/": "http://near/"}
    assert addresses(distro, preference) == (
        "http://near/debian.iso",
        "http://far/d/debian.iso",
        ENTRY["cdrom"],
        *ENTRY["mirrors"],
    )


def test_provenance_is_nothing_a_distro_has():
    assert "made" not in to_document(parse_distro({**ENTRY, "made": {"by": "scan"}}, "it"))
