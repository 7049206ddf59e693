"""The doctor on a real libvirtd and qemu."""

import json
import os
import sys

from lab.host import PrivateHost
from lab.images import make_image


def found(kimchi):
    """name -> its findings. Of this machine, as far as they are no question to libvirt."""
    named = {}
    for finding in kimchi("host", "check", "-o", "json").json:
        named.setdefault(finding["name"], []).append(finding)
    return named


def test_what_is_missing_fails_and_its_fix_is_a_command_that_helps(host, kimchi, tmp_path):
    before = found(kimchi)
    kimchi("host", "check", status=7)
    assert before["pool"][0]["status"] == before["network"][0]["status"] == "fail"
    fix = before["pool"][0]["fix"].replace("/var/lib/libvirt/images", str(tmp_path / "pool"))
    for command in (fix, before["network"][0]["fix"]):
        kimchi(*command.split()[1:], status=0)
    after = found(kimchi)
    assert after["pool"][0]["status"] == after["network"][0]["status"] == "ok"


def test_kvm_is_tried_and_what_it_says_is_remembered(host, kimchi):
    finding = found(kimchi)["kvm"][0]
    assert finding["status"] in ("ok", "warn") and (finding["fix"] is None) == (finding["status"] == "ok")
    if "offered, but" in finding["message"]:
        assert [name for name in os.listdir(os.environ["KIMCHI_CACHE_DIR"]) if name.startswith("kvm-")]


def test_a_host_without_sys_tells_its_memory_and_cpus_all_the_same(host, kimchi):
    told = kimchi("host", "show", "-o", "json", status=0).json
    host.run(["mount", "-t", "tmpfs", "none", "/sys"])  # as in a container
    try:
        bare = kimchi("host", "show", "-o", "json", status=0).json
    finally:
        host.run(["umount", "/sys"])
    assert bare["cpus"] == told["cpus"] and bare["memory"] > 0  # whose memory libvirt tells depends on /sys


def test_a_guest_that_libvirtd_lost_fails_with_its_process(kimchi, tmp_path, monkeypatch):
    with PrivateHost() as host:
        monkeypatch.setenv("LIBVIRT_DEFAULT_URI", host.uri)
        kimchi("pool", "create", "default", "--path", tmp_path, "--start", status=0)
        small = ("--network", "none", "--disk", "size=1G", "--virt-type", "qemu", "--memory", "512M")
        kimchi("template", "create", "net", "--netboot", *small, status=0)
        kimchi("vm", "create", "we b", "--template", "net", "--start", status=0)
        assert guests_in(host) == ("ok", None)
        stop = 'pid=$(cat /run/libvirt/libvirtd.pid); kill -9 "$pid"; while kill -0 "$pid"; do sleep 0.02; done'
        host.run(
            ["sh", "-c", f"{stop} 2>&-; rm '/run/libvirt/qemu/we b.xml'; exec libvirtd -d {CONFIGURED}"], check=True
        )
        status, fix = guests_in(host)
        assert status == "fail" and "host check" in kimchi("vm", "start", "we b", status=4).err
        host.run(fix.split(), check=True)
        assert guests_in(host) == ("ok", None)


CONFIGURED = "--config /etc/libvirt/libvirtd.conf --pid-file /run/libvirt/libvirtd.pid"


LOOK = """
import json, sys
from kimchictl.actions.host.doctor.lost import lost_guests
from kimchictl.virt.connection import open_host
(finding,) = lost_guests(open_host(sys.argv[1]))
print(json.dumps((finding.status, finding.fix)))
"""


def guests_in(host):
    """What the doctor says there: a process is seen in its own namespace."""
    said = host.run([sys.executable, "-c", LOOK, host.uri], check=True, capture_output=True).stdout
    return tuple(json.loads(said))


def test_the_rest_is_there(host, kimchi):
    wanted = {
        "libvirt",
        "firmware",
        "tpm",
        "streaming",
        "devices",
        "cgroups",
        "guest user",
        "virtlogd",
        "osinfo-db",
        "guests",
    }
    assert wanted | {"clock", "directories", "space", "collector", "scan"} <= set(found(kimchi))


def test_an_image_that_guests_cannot_read_fails_with_the_directory_in_the_way(host, tmp_path):
    from kimchictl.actions.host.doctor import guests
    from kimchictl.virt.connection import open_host

    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    image = make_image(closed / "deb.iso", "Debian 12.5.0 amd64 n")
    with open_host(host.uri) as opened:
        (as_root,) = guests.guest_user(opened, (str(image),))
        assert as_root.status == "warn"  # the host of the tests runs guests as root
        problem = guests._unreadable(str(image), (64055, 64055))
    assert problem is not None and problem.hint.startswith("setfacl")
