"""A guest whose hypervisor answers nothing any more, as one does that waits for dead storage."""

import pytest

from lab.images import make_image


@pytest.fixture
def hung(active_pool, host, kimchi, tmp_path, monkeypatch):
    """The VM `web`, which runs and answers nothing, beside `db`, which is off; patience is short."""
    for name in ("listing.PATIENCE", "domains.PATIENCE"):
        monkeypatch.setattr(f"kimchictl.virt.domain.{name}", 0.5)
    monkeypatch.setattr("kimchictl.virt.deadlines.MONITOR_PATIENCE", 0.5)
    image = make_image(tmp_path / "deb.iso", "Debian 12.5.0 amd64 n")
    small = ("--memory", "512M", "--vcpus", "1", "--disk", "size=1G", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, *small, status=0)
    kimchi("vm", "create", "db", "--template", "deb", status=0)
    kimchi("vm", "create", "web", "--template", "deb", "--start", status=0)
    signal = ["sh", "-c", 'kill "$0" $(cat /run/libvirt/qemu/web.pid)']
    host.run([*signal, "-STOP"], check=True)
    yield
    host.run([*signal, "-CONT"])


def test_the_others_are_listed_and_what_is_known_of_it_too(hung, kimchi):
    listed = kimchi("vm", "list", "-o", "json", status=0)
    found = [(vm["name"], vm["state"], vm["vcpus"], vm["memory"]) for vm in listed.json]
    assert found == [("db", "shutoff", 1, 512 << 20), ("web", "running", 1, 512 << 20)]
    assert "does not answer" in listed.err


def test_it_is_shown_without_what_it_would_have_to_say(hung, kimchi):
    shown = kimchi("vm", "show", "web", "-o", "json", status=0)
    assert (shown.json["state"], shown.json["disks"][0]["capacity"]) == ("running", None)
    assert shown.err.count("does not answer") == 1


@pytest.mark.parametrize("verb", ["suspend", "screenshot", "stop"])
def test_nobody_waits_for_it_and_what_ends_it_is_said(hung, kimchi, verb):
    failed = kimchi("vm", verb, "web", status=8)
    assert "does not answer" in failed.err and "vm stop web --force" in failed.err


def test_statistics_are_of_the_others_and_it_is_named(hung, kimchi, monkeypatch):
    monkeypatch.setattr("kimchictl.virt.stats.PATIENCE", 0.5)
    shown = kimchi("stats", "show", "-o", "json", status=0)
    assert {one["name"]: one["cpu"]["current"] is None for one in shown.json} == {"host": False, "web": False}
    assert next(one for one in shown.json if one["name"] == "web")["disk_read"]["current"] is None
    assert "the hypervisor of vm 'web' is busy or hangs" in shown.err


def test_the_collector_goes_on_without_it(hung, kimchi, monkeypatch):
    monkeypatch.setattr("kimchictl.virt.stats.PATIENCE", 0.5)
    collected = kimchi("stats", "collect", "--once", status=0)
    assert "'web' is busy or hangs" in collected.err
    kimchi("stats", "collect", "--once", status=0)
    shown = kimchi("stats", "show", "host", "-o", "json", status=0)
    assert shown.json["cpu"]["current"] is not None and shown.err == ""
