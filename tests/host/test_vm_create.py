"""What `vm create` does beside disks and media: cloud-init data, passwords of displays, what a killed one left."""

import fcntl
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import libvirt
import pycdlib
import pytest

from kimchictl.config import find_places
from lab.images import make_image

LABEL = "Debian 12.5.0 amd64 n"


@pytest.fixture
def pool(active_pool, kimchi, tmp_path):
    """The directory of the pool; a template `deb` stands ready."""
    image = make_image(tmp_path / "deb.iso", LABEL)
    small = ("--memory", "512M", "--vcpus", "1", "--network", "none", "--virt-type", "qemu")
    kimchi("template", "create", "deb", "--cdrom", image, "--disk", "size=1G", *small, status=0)
    return active_pool


def read(image, name):
    iso = pycdlib.PyCdlib()
    iso.open(str(image))
    out = io.BytesIO()
    iso.get_file_from_iso_fp(out, rr_path=f"/{name}")
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    return label, out.getvalue().decode()


def test_cloud_init_data_go_in_a_drive_of_their_own_and_with_the_vm(pool, kimchi, tmp_path):
    (tmp_path / "user.yaml").write_text("#cloud-config\nhostname: ü\n")
    options = ("--cloud-init", tmp_path / "user.yaml", "--count", "2", "--start")
    kimchi("vm", "create", "Wéb <1>", "--template", "deb", *options, status=0)
    seeds = [pool / f"Wéb <1>-{number}-seed.iso" for number in (1, 2)]
    assert read(seeds[0], "user-data") == ("cidata", "#cloud-config\nhostname: ü\n")
    metas = [read(seed, "meta-data")[1] for seed in seeds]
    assert 'local-hostname: "web-1-1"' in metas[0] and metas[0].split()[1] != metas[1].split()[1]
    shown = kimchi("vm", "show", "Wéb <1>-1", "-o", "json", status=0).json
    assert [disk["source"] for disk in shown["disks"] if disk["device"] == "cdrom"][1] == str(seeds[0])
    kimchi("vm", "delete", "Wéb <1>-1", "Wéb <1>-2", "--yes", status=0)
    assert os.listdir(pool) == []


def test_a_pool_whose_directory_is_gone_is_found_out_before_anything_is_made(pool, kimchi):
    away = pool.rename(f"{pool}.away")
    for more in ((), ("--dry-run",), ("--count", "2", "--start")):
        refused = kimchi("vm", "create", "web", "--template", "deb", *more, status=4).err
        assert f"pool 'default' cannot be used: {pool}: No such file" in refused and "pool show default" in refused
    (found,) = kimchi("template", "check", "deb", "-o", "json", status=7).json
    assert (found["status"], "No such file" in found["message"]) == ("fail", True) and "pool show" in found["fix"]
    found = kimchi("host", "check", "--filter", "name=pool", "-o", "json").json
    assert [(each["status"], "No such file" in each["message"]) for each in found] == [("fail", True)]
    away.rename(pool)
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    pool.rename(away)
    assert "pool 'default' cannot be used" in kimchi("vm", "clone", "web", status=4).err


def test_a_pool_that_another_process_refreshes_is_waited_for_and_then_told(pool, kimchi):
    kimchi("pool", "list", status=0)
    (path,) = Path(find_places(os.environ).run_dir, "pools").iterdir()
    with open(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = kimchi("vm", "create", "v", "--template", "deb", "--lock-timeout", "100ms", status=6).err
        assert "pool 'default' is locked" in said and "--lock-timeout" in said
    kimchi("vm", "create", "v", "--template", "deb", status=0)


def test_a_file_that_libvirt_has_not_seen_yet_takes_a_name_away(pool, kimchi):
    (pool / "web.qcow2").write_text("somebody's")
    kimchi("vm", "create", "web", "--template", "deb", status=0)
    assert sorted(os.listdir(pool)) == ["web-1.qcow2", "web.qcow2"]
    assert (pool / "web.qcow2").read_text() == "somebody's"


def test_what_qemu_lacks_is_named_with_all_else_that_is_wrong(pool, kimchi):
    kimchi("template", "edit", "deb", "--network", "user,model=virtoi", "--network", "user,model=foo", status=0)
    said = kimchi("vm", "create", "a/b", "--template", "deb", "--pool", "nosuch").err
    assert "no interface of model 'virtoi'" in said and "did you mean 'virtio'?" in said
    assert "no interface of model 'foo'" in said and "pool 'nosuch' does not exist" in said and "'/'" in said
    assert "no interface of model 'foo'" in kimchi("template", "check", "deb").out


def test_a_bridge_that_is_not_there_is_noted_and_who_is_to_start_is_refused(pool, kimchi):
    networks = ("--network", "bridge=virbr0", "--network", "bridge=nosuch")
    said = kimchi("vm", "create", "web", "--template", "deb", *networks, "--dry-run", status=0).err
    assert "bridge 'nosuch' is not there" in said and "virbr0" not in said
    refused = kimchi("vm", "create", "web", "--template", "deb", *networks, "--start", "--count", "2", status=3)
    assert "bridge 'nosuch' is not there" in refused.err and os.listdir(pool) == []


@pytest.mark.parametrize(("content", "status"), [(None, 3), (b"hostname: x\n", 4), (b"#cloud-config\n" * 99999, 4)])
def test_what_is_no_user_data_is_refused(pool, kimchi, tmp_path, content, status):
    if content is not None:
        (tmp_path / "user").write_bytes(content)
    kimchi("vm", "create", "web", "--template", "deb", "--cloud-init", tmp_path / "user", status=status)
    assert os.listdir(pool) == []


def test_a_display_that_others_can_reach_needs_a_password(pool, kimchi, host):
    wide = ("vm", "create", "web", "--template", "deb", "--graphics", "vnc,0.0.0.0")
    assert "--insecure" in kimchi(*wide, status=2).err
    assert os.listdir(pool) == []
    reading, writing = os.pipe()
    os.write(writing, b"geheim")
    os.close(writing)
    assert "geheim" not in kimchi(*wide, "--display-password-fd", reading, "-v", status=0).err
    connection = libvirt.open(host.uri)
    assert "passwd='geheim'" in connection.lookupByName("web").XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    connection.close()
    kimchi(*wide[:2], "db", *wide[3:], "--insecure", status=0)


KILLED = """
import os, signal, sys
from kimchictl import cli
from kimchictl.virt.domain import domains
from kimchictl.virt.storage import volumes
where = sys.argv.pop(1)
if where == "volume":
    real = volumes.create_volume
    def create(*given):
        real(*given)
        os.kill(os.getpid(), signal.SIGKILL)
    volumes.create_volume = create
elif where == "defined":
    real = domains.define
    domains.define = lambda *given: (real(*given), os.kill(os.getpid(), signal.SIGKILL))
elif where == "start":
    from kimchictl.virt.domain import power
    power.start = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
else:
    domains.define = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
cli.main(sys.argv[1:])
"""


def killed(where, *argv):
    """A create that is killed right after its volume was made, before or after its VM is defined, or at its start."""
    done = subprocess.run([sys.executable, "-c", KILLED, where, "vm", "create", *map(str, argv)], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("where", ["volume", "define"])
def test_what_a_killed_create_left_goes_with_the_next_one(pool, kimchi, tmp_path, where):
    (tmp_path / "user").write_text("#cloud-config\n")
    options = ("web", "--template", "deb", "--cloud-init", tmp_path / "user")
    killed(where, *options)
    left = os.listdir(pool)
    notes = Path(os.environ["KIMCHI_STATE_DIR"], "creating")
    (notes / ".tmp-1-ab").write_text("half of a no")  # from a kill a moment earlier
    os.utime(notes / ".tmp-1-ab", (0, 0))
    assert "web.qcow2" in left
    said = kimchi("vm", "create", *options, status=0).err
    assert all(f"pool:default/{name} deleted" in said for name in left) and "killed" in said
    assert sorted(os.listdir(pool)) == ["web-seed.iso", "web.qcow2"] and os.listdir(notes) == []
    assert "killed" not in kimchi("vm", "create", "db", "--template", "deb", status=0).err


@pytest.mark.parametrize("where", ["defined", "start"])
def test_a_vm_that_was_killed_before_it_started_goes_with_the_next_one_of_its_name(pool, kimchi, tmp_path, where):
    (tmp_path / "user").write_text("#cloud-config\n")
    options = ("web", "--template", "deb", "--start", "--cloud-init", tmp_path / "user")
    killed(where, *options)
    assert kimchi("vm", "list", "-o", "name", status=0).out == "web\n"
    assert "killed" not in kimchi("vm", "create", "db", "--template", "deb", status=0).err
    said = kimchi("vm", "create", *options, status=0).err
    assert "vm 'web' deleted: its making was killed, and it never ran" in said
    assert "pool:default/web.qcow2 deleted" in said and "pool:default/web-seed.iso deleted" in said
    assert sorted(os.listdir(pool)) == ["db.qcow2", "web-seed.iso", "web.qcow2"]
    assert os.listdir(Path(os.environ["KIMCHI_STATE_DIR"], "creating")) == []


def test_of_a_row_those_go_too_whose_number_is_taken_again(pool, kimchi):
    killed("start", "--template", "deb", "--count", "3", "--start")
    left = kimchi("vm", "list", "-o", "name", status=0).out.split()
    made = kimchi("vm", "create", "--template", "deb", status=0)
    assert all(f"vm {name!r} deleted" in made.err for name in left)
    assert kimchi("vm", "list", "-o", "name", status=0).out == "deb-vm-1\n" and os.listdir(pool) == ["deb-vm-1.qcow2"]


@pytest.mark.parametrize(
    "use", [["edit", "web", "--title", "mine"], ["start", "web"], ["autostart", "web"]], ids=" ".join
)
def test_a_vm_that_was_killed_before_it_started_stays_when_somebody_has_made_it_theirs(pool, kimchi, use):
    killed("start", "web", "--template", "deb", "--start")
    kimchi("vm", *use, status=0)
    assert "vm 'web' already exists" in kimchi("vm", "create", "web", "--template", "deb", status=4).err
    assert os.listdir(pool) == ["web.qcow2"]


def test_a_vm_that_was_killed_before_it_started_stays_when_its_disk_was_written(pool, kimchi):
    killed("start", "web", "--template", "deb", "--start")
    subprocess.run(["qemu-io", "-c", "write 0 1M", pool / "web.qcow2"], check=True, capture_output=True)
    kimchi("vm", "create", "web", "--template", "deb", status=4)
    assert os.listdir(pool) == ["web.qcow2"]


def test_a_secret_that_a_killed_create_left_goes_too_where_there_was_no_disk(pool, kimchi, host, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password geheim\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("KIMCHICTL_NET_NETRC", str(tmp_path / "netrc"))
    url = ("--cdrom", "http://127.0.0.1:9/a.iso", "--no-check", "--os-distro", "debian", "--os-version", "12")
    kimchi("template", "create", "far", *url, "--disk", "none", "--network", "none", "--virt-type", "qemu", status=0)
    killed("define", "web", "--template", "far", "--media", "stream")
    said = kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert "secret 'kimchictl:" in said and "deleted" in said
    connection = libvirt.open(host.uri)
    assert connection.listAllSecrets() == []
    connection.close()


def test_what_is_not_certain_to_be_left_from_it_stays(pool, kimchi):
    killed("volume", "web", "--template", "deb")
    (pool / "web.qcow2").unlink()
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", pool / "web.qcow2", "3G"], check=True)
    assert "not certain" in kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert sorted(os.listdir(pool)) == ["web-1.qcow2", "web.qcow2"]


def test_windows_gets_its_drivers_in_a_second_drive_where_they_are_known(active_pool, kimchi, tmp_path):
    image = make_image(tmp_path / "w.iso", "WINDOWS")
    system = ("--os-distro", "windows", "--os-version", "10", "--firmware", "bios")
    kimchi("template", "create", "w", "--cdrom", image, "--network", "none", *system, status=0)
    small = ("vm", "create", "--template", "w", "--memory", "512M", "--virt-type", "qemu")
    for version in ("0.1.9", "0.1.240"):
        make_image(active_pool / f"virtio-win-{version}.iso", f"virtio-win-{version}")
    kimchi(*small, "--disk", "none", status=0)
    disks = kimchi("vm", "show", "w-vm-1", "-o", "json", status=0).json["disks"]
    assert [disk["source"] for disk in disks] == [str(image), str(active_pool / "virtio-win-0.1.240.iso")]
    (active_pool / "virtio-win-0.1.240.iso").rename(tmp_path / "drivers.iso")
    kimchi("iso", "scan", "--deep", "--all", tmp_path, status=0)
    assert "drivers.iso" in kimchi(*small, "--disk", "none", status=0).err
    kimchi(*small, "--disk", "none", "--no-driver-disc", status=0)
    assert len(kimchi("vm", "show", "w-vm-3", "-o", "json", status=0).json["disks"]) == 1
