"""Several VMs at once: started side by side, each with an undo of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kimchictl.actions.vms.create import plan_storage
from kimchictl.actions.vms.create.claim import Claim
from kimchictl.actions.vms.create.plan_vm import Request
from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import Resolved
from kimchictl.config import find_places
from kimchictl.errors import Failed
from kimchictl.virt.connection import open_host
from kimchictl.virt.domain import domains, power
from lab.images import make_image


@pytest.fixture
def pool(active_pool, kimchi, tmp_path):
    """The directory of the pool; a template `deb` stands ready."""
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)
    return active_pool


def states(kimchi):
    return {vm["name"]: vm["state"] for vm in kimchi("vm", "list", "-o", "json", status=0).json}


def break_start(monkeypatch, broken, error):
    real = power.start

    def start(host, name):
        if name == broken:
            raise error
        return real(host, name)

    monkeypatch.setattr(power, "start", start)


def test_several_are_started_and_listed_in_their_order(pool, kimchi):
    made = kimchi("vm", "create", "--template", "deb", "--count", "3", "--start", "-o", "json", status=0).json
    assert [vm["name"] for vm in made] == [f"deb-vm-{number}" for number in range(1, 4)]
    assert {vm["state"] for vm in made} == {"running"}


def test_one_that_does_not_start_is_taken_back_and_the_others_stay(pool, kimchi, monkeypatch):
    break_start(monkeypatch, "web-2", Failed("no"))
    kimchi("vm", "create", "web", "--template", "deb", "--count", "3", "--start", status=7)
    assert states(kimchi) == {"web-1": "running", "web-3": "running"}
    assert sorted(os.listdir(pool)) == ["web-1.qcow2", "web-3.qcow2"]


def test_an_interrupt_leaves_what_is_finished_and_nothing_else(pool, kimchi, monkeypatch):
    break_start(monkeypatch, "web-2", KeyboardInterrupt())
    kimchi("vm", "create", "web", "--template", "deb", "--count", "5", "--start", status=130)
    assert states(kimchi) == {"web-1": "running"} and os.listdir(pool) == ["web-1.qcow2"]


def test_a_number_that_somebody_else_takes_meanwhile_is_left_out(pool, kimchi, monkeypatch):
    real = domains.define

    def define(host, name, document):
        monkeypatch.setattr(domains, "define", real)
        host.conn.defineXML(re.sub("<uuid>.*</uuid>", "", document))
        return real(host, name, document)

    monkeypatch.setattr(domains, "define", define)
    made = kimchi("vm", "create", "web", "--template", "deb", "--count", "2", "-o", "json", status=0).json
    assert [vm["name"] for vm in made] == ["web-2", "web-3"]


def test_rows_that_several_processes_make_at_once_get_numbers_of_their_own(pool, kimchi):
    command = (sys.executable, "-m", "kimchictl", "-q", "vm", "create", "web", "--template", "deb", "--count", "4")
    for process in [subprocess.Popen(command) for _ in range(4)]:
        assert process.wait(60) == 0
    assert set(states(kimchi)) == {f"web-{number}" for number in range(1, 17)}


def test_what_a_process_is_about_to_make_is_taken_as_long_as_it_lives(pool, kimchi, host):
    kimchi("vm", "create", "web-2", "--template", "deb", status=0)
    state = find_places(os.environ).own_state
    called = Request(Resolved(Template("deb"), {}), "web", 2).called
    with open_host(host.uri) as there, Claim(there, called, state) as one, Claim(there, called, state) as other:
        assert (one.take(2), other.take(2)) == (("web-1", "web-3"), ("web-4", "web-5"))
        assert one.take(1) == ("web-6",)
        other.__exit__()
        (kept,) = Path(state, "creating").glob("*.json")
        kept.write_text(kept.read_text().replace('"pid": ', '"pid": 9'))  # nobody's
        with Claim(there, called, state) as later:
            assert later.take(2) == ("web-1", "web-3") and not kept.exists()
    assert [path.name for path in Path(state, "creating").glob("*.json")] == []


def test_what_several_have_in_common_is_looked_at_once(pool, kimchi, monkeypatch, tmp_path):
    looks = []
    real = plan_storage.find_base
    monkeypatch.setattr(plan_storage, "find_base", lambda *given: looks.append(given) or real(*given))
    kimchi("volume", "create", "default", "cloud.qcow2", "--size", "1G", status=0)
    kimchi("template", "create", "cloud", "--image", pool / "cloud.qcow2", "--virt-type", "qemu", status=0)
    kimchi("vm", "create", "--template", "cloud", "--count", "3", "--network", "none", status=0)
    assert len(looks) == 1 and len(os.listdir(pool)) == 4
