"""Every default filled in, none against what is given, and each value's origin."""

import pytest

from kimchictl import config
from kimchictl.catalog.options import Changes
from kimchictl.catalog.parse import parse, to_document
from kimchictl.catalog.records import Disk, Graphics, Network
from kimchictl.catalog.resolve import Defaults, defaults_of, resolve
from kimchictl.catalog.templates import from_image, require_installable, suggested_name
from kimchictl.errors import Invalid
from kimchictl.media.naming.settings import Settings
from kimchictl.media.records import Image

MODERN = Settings(2048, 1024, 2, 20, "virtio", "virtio", "q35", "bios")
WIN11 = Settings(4096, 4096, 2, 64, "sata", "e1000e", "q35", "uefi", secure_boot=True, tpm=True)
OLD = Settings(512, 256, 1, 8, "ide", "rtl8139", "pc", "bios")
IMAGE = Image("/iso/d.iso", "file", volume_id="L", bootable=True, os_distro="debian", os_version="12", os_arch="x86_64")


def resolved(defaults=Defaults(), **values):  # noqa: B008 - frozen
    return resolve(parse({"name": "x", "os_distro": "debian", **values}, "it"), defaults)


def made(settings=MODERN, **changes):
    return from_image(IMAGE, settings, "x", IMAGE.location, Changes(**changes), {"by": "create"})


def test_a_bare_template_gets_what_is_built_in():
    whole = resolved().template
    assert (whole.memory, whole.max_memory, whole.vcpus, whole.max_vcpus) == (2048, 2048, 2, 2)
    assert whole.disks == (Disk(20, "qcow2", "default", "virtio"),)
    assert whole.networks == (Network("network", "default", "virtio"),)
    assert (whole.graphics, whole.machine, whole.firmware) == (Graphics("vnc", "127.0.0.1"), "q35", "bios")
    assert (whole.secure_boot, whole.tpm, whole.virt_type) == (False, False, "auto")


def test_a_system_nobody_knows_is_taken_for_an_old_one():
    whole = resolved(os_distro="unknown").template
    assert (whole.machine, whole.disk_bus, whole.nic_model) == ("pc", "ide", "e1000")


def test_the_configuration_comes_before_what_is_built_in():
    defaults = Defaults(memory=1024, disk_size=8, pool="fast", network=Network("user"), graphics=Graphics("none"))
    whole = resolved(defaults)
    assert whole.template.disks == (Disk(8, "qcow2", "fast", "virtio"),)
    assert (whole.template.memory, whole.template.networks[0].type, whole.template.graphics.type) == (
        1024,
        "user",
        "none",
    )
    assert whole.origins["memory"] == whole.origins["disks[0].size"] == whole.origins["networks"] == "configuration"
    assert whole.origins["disks[0].format"] == "built in"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"max_memory": 1024}, {"memory": 1024}),
        ({"max_vcpus": 1}, {"vcpus": 1}),
        ({"topology": {"sockets": 1, "cores": 3, "threads": 2}}, {"vcpus": 6, "max_vcpus": 6}),
        ({"secure_boot": True}, {"firmware": "uefi", "machine": "q35"}),
        ({"os_arch": "aarch64"}, {"firmware": "uefi", "machine": "virt"}),
        ({"disks": [{"base": "/b.qcow2"}]}, {"disks": (Disk(None, "qcow2", "default", "virtio", "/b.qcow2"),)}),
        ({"disks": []}, {"disks": ()}),
        ({"graphics": {"type": "none"}}, {"graphics": Graphics("none")}),
    ],
)
def test_a_default_never_contradicts_what_is_given(given, expected):
    whole = resolved(**given).template
    assert {key: getattr(whole, key) for key in expected} == expected


def test_what_is_resolved_is_valid_again():
    for given in ({}, {"os_distro": "unknown"}, {"secure_boot": True}, {"max_vcpus": 1}, {"os_arch": "s390x"}):
        whole = resolved(**given).template
        assert parse(to_document(whole), "it") == whole


def test_the_system_recommends_when_a_template_is_made_and_the_origin_says_so():
    template = made()
    assert (template.memory, template.vcpus, template.disks, template.disk_bus) == (2048, 2, (Disk(20),), "virtio")
    origins = resolve(template, Defaults()).origins
    assert origins["memory"] == origins["disks[0].size"] == origins["disks[0].bus"] == "os"
    assert origins["cdrom"] == origins["os_distro"] == "given"
    assert origins["graphics.type"] == "built in"


def test_what_the_user_says_comes_before_what_the_system_recommends():
    template = made(values={"memory": 4096, "firmware": "uefi"})
    assert (template.memory, template.firmware, template.vcpus) == (4096, "uefi", 2)
    assert resolve(template, Defaults()).origins["memory"] == "given"
    assert "memory" not in template.made["recommended"]


@pytest.mark.parametrize(
    ("settings", "asked", "expected"),
    [
        (MODERN, {"max_memory": 1024}, {"memory": 1024}),
        (MODERN, {"max_vcpus": 1}, {"vcpus": 1}),
        (MODERN, {"topology": {"sockets": 1, "cores": 1, "threads": 3}}, {"vcpus": None}),
        (MODERN, {"secure_boot": True}, {"firmware": "uefi"}),
        (OLD, {"secure_boot": True}, {"firmware": "uefi", "machine": "q35", "disk_bus": "sata"}),
        (OLD, {"machine": "q35"}, {"disk_bus": "sata"}),
        (WIN11, {}, {"secure_boot": True, "tpm": True, "firmware": "uefi"}),
        (WIN11, {"firmware": "bios"}, {"secure_boot": None, "tpm": True}),
    ],
)
def test_a_recommendation_leaves_room_for_what_was_asked_for(settings, asked, expected):
    template = made(settings, values=asked)
    assert {key: getattr(template, key) for key in expected} == expected


def test_an_image_that_cannot_boot_or_is_incomplete_is_refused():
    with pytest.raises(Invalid, match=r"/a\.iso is not bootable"):
        require_installable(Image("/a.iso", "file", bootable=False))
    with pytest.raises(Invalid, match="incomplete"):
        require_installable(Image("/a.iso", "file", bootable=True, error="incomplete"))
    require_installable(IMAGE)


def test_the_name_of_an_image_is_its_systems():
    assert suggested_name(IMAGE) == "debian-12"


def test_the_configuration_is_checked_by_the_same_rules(tmp_path):
    def load(**values):
        return config.load({"KIMCHI_CONFIG_DIR": str(tmp_path), **values})

    fine = load(KIMCHICTL_TEMPLATE_NETWORK="bridge=br0", KIMCHICTL_TEMPLATE_GRAPHICS="spice,::1")
    assert defaults_of(fine) == Defaults(network=Network("bridge", "br0"), graphics=Graphics("spice", "::1"))
    with pytest.raises(Invalid, match=r"template\.memory: memory 1 MiB is below"):
        defaults_of(load(KIMCHICTL_TEMPLATE_MEMORY="1"))
    with pytest.raises(Invalid, match="'cow' must be one of"):
        defaults_of(load(KIMCHICTL_TEMPLATE_DISK_FORMAT="cow"))
