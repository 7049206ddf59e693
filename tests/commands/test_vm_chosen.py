"""Several VMs in one command: names, --all, --filter, and names on stdin."""

import gc
import io
import sys

import libvirt
import pytest


@pytest.fixture
def driver(monkeypatch):
    """Three VMs beside the test driver's own, which runs."""
    gc.collect()
    gc.freeze()
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    connection = libvirt.open("test:///default")
    for name in ("a", "b & <ü>", "c"):
        name = name.replace("&", "&amp;").replace("<", "&lt;")
        document = f"<domain type='test'><name>{name}</name><memory>8192</memory><os><type>hvm</type></os></domain>"
        connection.defineXML(document)
    yield connection
    connection.close()


def states(kimchi):
    return {vm["name"]: vm["state"] for vm in kimchi("vm", "list", "-o", "json", status=0).json}


def test_all_vms_are_started_and_those_that_run_are_stopped(kimchi, driver):
    kimchi("vm", "start", "--all", status=0)
    assert set(states(kimchi).values()) == {"running"}
    kimchi("vm", "stop", "--force", "--filter", "state=running", "--filter", "name!=c", status=0)
    assert [name for name, state in states(kimchi).items() if state == "running"] == ["c"]


def test_names_come_from_stdin(kimchi, driver, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("b & <ü>\nc\n\n".encode())))
    kimchi("vm", "start", "-", status=0)
    assert [name for name, state in states(kimchi).items() if state == "running"] == ["b & <ü>", "c", "test"]


def test_names_on_stdin_stand_among_others(kimchi, driver, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"c\n")))
    said = kimchi("vm", "start", "-", "a", status=0).err
    assert said.splitlines() == ["vm 'c' started", "vm 'a' started"]


def test_no_name_is_wrong_usage_and_no_match_is_none(kimchi, driver):
    kimchi("vm", "start", status=2)
    kimchi("vm", "start", "a", "--all", status=2)
    kimchi("vm", "start", "--filter", "colour=red", status=2)
    assert "no such vm" in kimchi("vm", "start", "--filter", "state=crashed", status=0).err


def test_one_that_fails_does_not_keep_the_others(kimchi, driver):
    kimchi("vm", "start", "nosuch", "a", status=7)
    assert states(kimchi)["a"] == "running"
    kimchi("vm", "delete", "--all", status=2)
    kimchi("vm", "delete", "--all", "--keep-disks", "--yes", status=0)
    assert states(kimchi) == {}
