"""The domain XML of every kind of guest: compared with golden files, and taken by libvirt's own schema and parser.

WRITE_GOLDEN=1 writes the files anew; look at the difference before committing it.
"""

import os
import re
from dataclasses import replace
from pathlib import Path

import libvirt
import pytest

from kimchictl.catalog.records import Disk, Graphics, Network, Template, Topology
from kimchictl.errors import Invalid
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.domain.domainplan import DomainDisk, DomainPlan, Medium, medium
from kimchictl.virt.domain.domainxml import domain_xml

GOLDEN = Path(__file__).parent / "golden"
DISK = DomainDisk("/var/lib/libvirt/images/web.qcow2", "qcow2")
KVM = Machine("x86_64", "kvm", "q35", "/usr/bin/qemu-system-x86_64")
TCG = Machine("x86_64", "qemu", "q35", "/usr/bin/qemu-system-x86_64")
DEBIAN = Template(
    "debian-12",
    "debian",
    "12.5.0",
    "x86_64",
    cdrom="/srv/iso/Debian 12 – tést.iso",
    memory=2048,
    max_memory=4096,
    vcpus=2,
    max_vcpus=4,
    disks=(Disk(20, "qcow2", "default"),),
    networks=(Network("network", "default"),),
    graphics=Graphics("vnc", "127.0.0.1"),
)
UNKNOWN = replace(DEBIAN, name="unknown", os_distro="unknown", os_version="unknown")


def plan(template, machine=TCG, disks=(DISK,), **settings):
    media = (medium(template.cdrom),) if template.cdrom else ()
    return DomainPlan("web", template, disks, media, machine, **settings)


def url(location):
    return replace(DEBIAN, cdrom=location)


CASES = {
    "debian-kvm": plan(DEBIAN, KVM, title="a title <&> \"'", description="what\nfor"),
    "debian-tcg": plan(DEBIAN),
    "unknown": plan(UNKNOWN, Machine("x86_64", "qemu")),
    "old-ide": plan(
        replace(DEBIAN, os_version="3.1", machine="pc", disk_bus="ide", nic_model="rtl8139"),
        Machine("x86_64", "qemu"),
        (DISK, replace(DISK, path="/b"), replace(DISK, path="/c")),
    ),
    "cloud-init": DomainPlan(
        "web",
        replace(DEBIAN, cdrom=None),
        (replace(DISK, base="/srv/cloud.qcow2", base_format="qcow2"),),
        (Medium("file", "/var/lib/libvirt/images/web-seed.iso"),),
        TCG,
        seed="default/web-seed.iso",
    ),
    "uefi-tpm": plan(replace(DEBIAN, firmware="uefi", tpm=True)),
    "secure-boot": plan(replace(DEBIAN, firmware="uefi", secure_boot=True)),
    "windows": plan(
        replace(DEBIAN, os_distro="windows", os_version="11", firmware="uefi", secure_boot=True, tpm=True), KVM
    ),
    "topology": plan(replace(DEBIAN, topology=Topology(1, 2, 2), cpu="Nehalem")),
    "headless": plan(replace(DEBIAN, graphics=Graphics("none"))),
    "spice": plan(replace(DEBIAN, graphics=Graphics("spice", "::1"))),
    "netboot": plan(replace(DEBIAN, cdrom=None)),
    "networks": plan(
        replace(DEBIAN, networks=(Network("bridge", "br0"), Network("user"), Network("network", "isolated", "e1000e")))
    ),
    "disks": plan(
        DEBIAN,
        disks=(
            DomainDisk("/pool/a.qcow2", "qcow2", base="/srv/base.qcow2", base_format="qcow2"),
            DomainDisk("/dev/vg/b", "raw", "scsi", block=True),
            DomainDisk("/pool/c.img", "raw", "sata"),
        ),
    ),
    "volume": plan(url("pool:isos/debian 12.iso")),
    "http": plan(url("http://host.example/a/b%20c.iso?token=1&x=2")),
    "https-port": plan(url("https://[2001:db8::1]:8443/b.iso")),
    "ftp": plan(url("ftp://host.example/pub/b.iso")),
    "ftps": plan(url("ftps://host.example/b.iso")),
    "credentials": replace(
        plan(DEBIAN),
        media=(Medium("network", "https://host.example/b.iso", "somebody", "kimchictl:web:0badcafe"),),
    ),
    "aarch64": plan(replace(DEBIAN, os_arch="aarch64"), Machine("aarch64", "qemu")),
    "ppc64le": plan(replace(DEBIAN, os_arch="ppc64le"), Machine("ppc64le", "kvm")),
    "s390x": plan(replace(DEBIAN, os_arch="s390x"), Machine("s390x", "kvm")),
}


@pytest.mark.parametrize("name", CASES)
def test_the_xml_is_that_of_the_golden_file(name):
    document, golden = domain_xml(CASES[name]), GOLDEN / f"{name}.xml"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_text(document)
    assert document == golden.read_text()


def test_every_golden_file_has_its_case():
    assert {path.stem for path in GOLDEN.glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_libvirt_takes_the_xml(name, driver):
    document = re.sub(r'(<domain [^>]*)type="\w+"', r'\1type="test"', domain_xml(CASES[name]), count=1)
    document = re.sub(r'<type arch="\w+"', '<type arch="i686"', document)
    domain = driver.defineXMLFlags(document, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    assert domain.name() == "web"


def test_a_second_ide_cdrom_would_not_fit_and_is_refused():
    with pytest.raises(Invalid, match="three disks and a CD-ROM"):
        domain_xml(plan(UNKNOWN, Machine("x86_64", "qemu"), (DISK,) * 4))


def test_ide_on_q35_is_refused():
    with pytest.raises(Invalid, match="q35 has no IDE"):
        domain_xml(plan(replace(DEBIAN, disk_bus="ide")))


def test_host_passthrough_without_kvm_is_refused():
    with pytest.raises(Invalid, match="host-passthrough"):
        domain_xml(plan(replace(DEBIAN, cpu="host-passthrough")))


@pytest.mark.parametrize("key", ["firmware", "secure_boot", "tpm"])
def test_what_the_host_does_not_offer_is_refused(key):
    wanted = {"firmware": "uefi", "secure_boot": key == "secure_boot", "tpm": key == "tpm"}
    offered = frozenset() if key == "firmware" else frozenset({"uefi"})
    with pytest.raises(Invalid):
        domain_xml(plan(replace(DEBIAN, **wanted), replace(TCG, features=offered)))


def test_a_name_with_a_control_character_is_refused():
    with pytest.raises(Invalid, match="libvirt's XML cannot"):
        domain_xml(replace(plan(DEBIAN), title="a\x1bb"))


def test_what_a_guest_only_reads_is_never_relabelled():
    for name in ("debian-tcg", "disks", "volume"):
        media = re.findall(r"<source [^>]*(?:iso|base)[^>]*>\s*<(\w+)([^>]*)>", domain_xml(CASES[name]))
        assert media and all(tag == "seclabel" and 'relabel="no"' in rest for tag, rest in media)


def test_without_the_dac_driver_as_in_a_user_s_session_no_label_is_named():
    assert "seclabel" not in domain_xml(plan(DEBIAN, replace(TCG, dac=False)))
