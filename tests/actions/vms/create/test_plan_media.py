"""The image behind a URL: what is said of it, and what is remembered of the host's qemu."""

from types import SimpleNamespace

import pytest

from kimchictl.actions.vms.create.plan_media import MediaPlan, MediaWish, is_remote, plan_media, with_medium
from kimchictl.actions.vms.create.plan_vm import Login, Request, VmPlan
from kimchictl.actions.vms.create.stream_support import can_open, missing_driver, missing_package
from kimchictl.catalog.records import Template
from kimchictl.catalog.resolve import Defaults, resolve
from kimchictl.media.remote import NetSettings
from kimchictl.virt.connection import Host, open_host
from kimchictl.virt.domain.domainplan import DomainPlan, Medium

URL = "http://127.0.0.1:9/a.iso"  # nobody answers there


def request(cdrom):
    return Request(resolve(Template("deb", cdrom=cdrom), Defaults()))


@pytest.fixture
def qemu_img(tmp_path, monkeypatch):
    """Makes the host's qemu-img say something, and counts how often it is asked."""
    program, calls = tmp_path / "qemu-img", tmp_path / "calls"

    def make(says):
        program.write_text(f"#!/bin/sh\necho x >> {calls}\necho '{says}' >&2\nexit 1\n")
        program.chmod(0o755)
        return lambda: len(calls.read_text().split()) if calls.exists() else 0

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return make


def host(uri="qemu:///system"):
    return Host(None, SimpleNamespace(getType=lambda: "QEMU"), uri, True, print)


@pytest.mark.parametrize(("cdrom", "remote"), [(URL, True), ("pool:p/a.iso", False), ("/a.iso", False), (None, False)])
def test_only_a_url_is_remote(cdrom, remote):
    assert is_remote(request(cdrom)) is remote


def test_what_is_said_names_the_pool_or_the_server_and_why():
    fetched = MediaPlan("fetch", (URL,), ("a", "b"), "/p/a.iso", "p", "a.iso")
    assert fetched.sentence == "the image is to be fetched into pool 'p': a; b"
    streamed = MediaPlan("stream", (URL,), ("as asked",), URL)
    assert streamed.foreseen == f"the image would be streamed from {URL}: as asked"


def test_a_password_does_not_show():
    assert "hunter2" not in repr(Login("h:80", "somebody", "hunter2"))


def test_guests_that_are_made_up_ask_no_server():
    with open_host("test:///default") as made_up:
        plan = plan_media(made_up, request(URL), (), MediaWish("auto", (URL,), NetSettings(), "/nonexistent"))
    assert (plan.media, plan.location, plan.asked) == ("stream", URL, False)


def test_what_would_be_fetched_takes_the_place_of_the_first_medium_only():
    seed = Medium("file", "/p/seed.iso")
    before = VmPlan("web", "deb", (), DomainPlan("web", Template("deb"), (), (Medium("network", URL), seed)))
    after = with_medium(before, MediaPlan("fetch", (URL,), (), "/p/a.iso", "p", "a.iso"))
    assert after.domain.media == (Medium("file", "/p/a.iso"), seed)


def test_a_yes_is_remembered_until_qemu_changes(qemu_img, tmp_path):
    asked = qemu_img("CURL: Error opening file")
    assert [can_open(host(), "http", str(tmp_path / "cache")) for _ in range(3)] == [True] * 3
    assert asked() == 1
    asked = qemu_img("Unknown protocol 'http', and so on")
    assert can_open(host(), "http", str(tmp_path / "cache")) is False


def test_a_no_is_asked_again_as_the_driver_may_have_been_installed(qemu_img, tmp_path):
    asked = qemu_img("Unknown protocol 'http'")
    assert [can_open(host(), "http", str(tmp_path / "cache")) for _ in range(2)] == [False] * 2
    assert asked() == 2


@pytest.mark.parametrize("content", [b"", b"[]", b'{"at": "x"}', b'{"at": 1e400, "opens": ["http"]}', b'{"at": 1}'])
def test_a_damaged_memory_is_asked_anew(qemu_img, tmp_path, content):
    asked = qemu_img("CURL: no")
    can_open(host(), "http", str(tmp_path))
    (memory,) = tmp_path.glob("streaming-*.json")
    memory.write_bytes(content)
    assert can_open(host(), "http", str(tmp_path)) is True and asked() == 2


def test_a_host_far_away_is_not_asked_without_leave(tmp_path):
    conn = SimpleNamespace(getType=lambda: "QEMU", getLibVersion=lambda: 9000000, getVersion=lambda: 7002000)
    far = Host(SimpleNamespace(libvirtError=OSError), conn, "qemu+ssh://far/system", False, print)
    assert can_open(far, "http", str(tmp_path), may_start=False) is None
    assert "Debian" in missing_package(far) and "http" in missing_driver("http", far)
