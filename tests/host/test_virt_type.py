"""kvm or qemu where nobody says: what is offered is tried before it is taken."""

import os

import pytest

from kimchictl.actions.vms.create.virt_type import KvmAnswer, kvm_answer
from kimchictl.virt.capabilities import Machine
from kimchictl.virt.connection import open_host
from kimchictl.virt.domain.kvm import NAME, try_kvm, why
from lab.images import make_image

MACHINE = Machine("x86_64", "kvm", "q35")


@pytest.fixture
def template(host, kimchi, tmp_path):
    """A template that leaves the virt type open, on a host with all that it needs."""
    kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--disk", "size=1G", "--network", "user")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    return "deb"


def probes(host):
    """How often a guest was started to try KVM, by what libvirt logged."""
    return host.log().count(f"-name guest={NAME}")


def test_a_vm_starts_whether_kvm_works_or_not(host, kimchi, template):
    kimchi("vm", "create", "web", "--template", template, "--start", status=0)
    assert [vm["state"] for vm in kimchi("vm", "list", "-o", "json").json] == ["running"]


@pytest.mark.skipif(not os.path.exists("/dev/kvm"), reason="the host does not offer kvm")
def test_kvm_is_tried_once_and_remembered(host, kimchi, template):
    before = probes(host)
    kimchi("vm", "create", "web", "--template", template, status=0)
    tried = probes(host)
    kimchi("vm", "create", "two", "--template", template, status=0)
    assert before < tried == probes(host)


@pytest.mark.parametrize("option", ["--dry-run", "--print-xml"])
def test_nothing_is_started_by_what_changes_nothing(host, kimchi, template, option):
    before = probes(host)
    kimchi("vm", "create", "web", "--template", template, option, status=0)
    assert probes(host) == before


def test_no_guest_is_left_whatever_the_answer(host):
    with open_host(host.uri) as opened:
        reason = try_kvm(opened, Machine("x86_64", "kvm", "q35", emulator="/usr/bin/qemu-system-x86_64"))
        assert reason is None or "\n" not in reason
        assert opened.conn.listAllDomains() == []


def test_what_no_guest_at_all_can_start_with_is_not_blamed_on_kvm(host):
    with open_host(host.uri) as opened:
        assert try_kvm(opened, Machine("x86_64", "kvm", "nonsense")) is None


def test_an_answer_that_is_damaged_or_old_is_asked_for_anew(host, tmp_path, monkeypatch):
    with open_host(host.uri) as opened:
        first = kvm_answer(opened, MACHINE, str(tmp_path))
        (file,) = tmp_path.iterdir()
        assert kvm_answer(opened, MACHINE, str(tmp_path), may_try=False) == first
        for content in (b"{", b"[]", b'{"at": 1, "reason": null}', b'{"at": "x"}'):
            file.write_bytes(content)
            assert kvm_answer(opened, MACHINE, str(tmp_path), may_try=False) is None
    assert isinstance(first, KvmAnswer)


def test_the_reason_is_qemu_s_own_in_one_line():
    said = (
        "internal error: qemu unexpectedly closed the monitor: 2026-11-22T14:25:07Z qemu-system-x86_64: error: failed "
        "to set MSR 0x10a to 0x69\nqemu-system-x86_64: kvm.c:3183: kvm_buf_set_msrs: Assertion `ret' failed."
    )
    assert why(said) == "failed to set MSR 0x10a to 0x69"
    assert why("") == "no reason given"
