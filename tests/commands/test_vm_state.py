"""The state of VMs changed: several at a time, what cannot hear refused, a Ctrl-C that comes too late."""

import gc
import os
import signal
import threading

import libvirt
import pytest

from kimchictl.virt.domain import power


@pytest.fixture
def driver(monkeypatch):
    """Three VMs: `a` and `b`, which are off, and the test driver's own, which runs."""
    gc.collect()
    gc.freeze()
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    connection = libvirt.open("test:///default")
    for name in ("a", "b"):
        connection.defineXML(
            f"<domain type='test'><name>{name}</name><memory>8192</memory><os><type>hvm</type></os></domain>"
        )
    yield connection
    connection.close()


def states(kimchi):
    return {vm["name"]: vm["state"] for vm in kimchi("vm", "list", "-o", "json", status=0).json}


def test_all_guests_are_asked_to_stop_before_the_first_is_waited_for(kimchi, driver, monkeypatch):
    kimchi("vm", "start", "a", "b", status=0)
    asked, wait_until = [], power.wait_until
    monkeypatch.setattr("kimchictl.actions.vms.side_by_side.AT_ONCE", 1)
    monkeypatch.setattr(libvirt.virDomain, "shutdown", lambda domain: asked.append(domain.name()))

    def waited_for(*given):
        assert sorted(asked) == ["a", "b", "test"]
        wait_until(*given)

    monkeypatch.setattr(power, "wait_until", waited_for)
    said = kimchi("vm", "stop", "b", "a", "test", "--timeout", "20ms", status=8).err
    assert [line.split("'")[1] for line in said.splitlines() if "did not within 0.02 s" in line] == ["b", "a", "test"]


def test_of_several_each_is_told_in_its_order(kimchi, driver):
    said = kimchi("vm", "start", "b", "nosuch", "test", "a", status=7).err
    order = ["'b' started", "'nosuch' does not exist", "'test' is already running", "'a' started"]
    assert [said.index(each) for each in order] == sorted(said.index(each) for each in order)


def test_a_paused_guest_is_not_asked_to_reboot_and_stays_paused_when_it_is_reset(kimchi, driver, monkeypatch):
    monkeypatch.setattr(libvirt.virDomain, "reset", lambda domain, flags: None)  # the driver has none
    kimchi("vm", "suspend", "test", status=0)
    assert "kimchictl vm resume test" in kimchi("vm", "reboot", "test", status=4).err
    assert "is paused still" in kimchi("vm", "reset", "test", status=0).err


@pytest.mark.parametrize(("verb", "state", "hint"), [("stop", "shutoff", "start"), ("suspend", "paused", "resume")])
def test_who_waits_for_the_address_of_a_vm_that_does_not_run_is_told_so(kimchi, driver, monkeypatch, verb, state, hint):
    monkeypatch.setattr(libvirt.virDomain, "interfaceAddresses", lambda *given: {})
    kimchi("vm", verb, "test", status=0)
    said = kimchi("vm", "wait", "test", "ip", "--timeout", "10ms", status=8).err
    assert f"vm 'test' is {state}: waiting for it to run" in said
    assert f"it is {state}" in said and f"hint: kimchictl vm {hint} test" in said


def test_a_delete_that_a_ctrl_c_came_too_late_for_is_told(kimchi, driver, monkeypatch):
    undefine = libvirt.virDomain.undefineFlags

    def interrupted(domain, flags):
        undefine(domain, flags)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(libvirt.virDomain, "undefineFlags", interrupted)
    said = kimchi("vm", "delete", "a", "b", "--yes", status=130).err
    assert "vm 'a' deleted" in said and said.endswith("interrupted\n")
    assert sorted(states(kimchi)) == ["b", "test"]


def test_starts_that_a_ctrl_c_came_too_late_for_are_told(kimchi, driver, monkeypatch):
    create, begun = libvirt.virDomain.createWithFlags, threading.Event()

    def interrupted(domain, flags):
        create(domain, flags)
        if domain.name() == "a":
            begun.wait(10)
            os.kill(os.getpid(), signal.SIGINT)
        begun.set()

    monkeypatch.setattr(libvirt.virDomain, "createWithFlags", interrupted)
    said = kimchi("vm", "start", "a", "b", status=130).err
    assert "vm 'a' started" in said and "vm 'b' started" in said and said.endswith("interrupted\n")


def test_a_change_that_a_ctrl_c_came_too_late_for_is_told(kimchi, driver, monkeypatch):
    define = libvirt.virConnect.defineXMLFlags

    def interrupted(connection, document, flags):
        os.kill(os.getpid(), signal.SIGINT)
        return define(connection, document, flags)

    monkeypatch.setattr(libvirt.virConnect, "defineXMLFlags", interrupted)
    said = kimchi("vm", "edit", "a", "--description", "new", status=130).err
    assert "vm 'a' changed" in said and said.endswith("interrupted\n")


def test_a_name_that_is_its_own_or_taken_is_said(kimchi, driver):
    assert "vm 'a' is called so already" in kimchi("vm", "edit", "a", "--name", "a", status=0).err
    assert "hint: choose another name" in kimchi("vm", "edit", "a", "--name", "b", status=4).err


def test_what_a_vm_lacks_for_uefi_is_named(kimchi, driver):
    refused = kimchi("vm", "edit", "a", "--firmware", "uefi", status=4).err
    assert "vm 'a' has no ACPI" in refused and "kimchictl vm edit a --xml" in refused
