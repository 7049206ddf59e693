"""VMs, pools, volumes and networks by the command line, on libvirt's test driver, which needs no host."""

import csv
import gc
import io
import re
import sys
from xml.etree import ElementTree

import libvirt
import pytest

from kimchictl.errors import Failed
from kimchictl.virt.domain import power

POOL = "kīмсhī-storagepool-0"


@pytest.fixture
def driver(monkeypatch):
    """The test driver's state lives in this process while one connection is open."""
    gc.collect()
    gc.freeze()
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", "test:///default")
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


@pytest.fixture
def template(kimchi, image):
    """A template `test` with a disk of 10 GiB."""
    kimchi("template", "create", "test", "--cdrom", image(), "--disk", "size=10G", "--memory", "1G", status=0)


def states(kimchi):
    return {vm["name"]: vm["state"] for vm in kimchi("vm", "list", "-o", "json", status=0).json}


# -- looking


def test_a_fresh_driver_has_one_running_vm(kimchi, driver):
    listed = kimchi("vm", "list", "-o", "json", status=0).json
    assert listed == [
        {
            **{"name": "test", "uuid": "6695eb01-f6a4-8304-79aa-97f2502e193f", "state": "running"},
            **{"vcpus": 2, "max_vcpus": 2, "memory": 2 << 30, "max_memory": 8 << 30},
            **{"autostart": False, "persistent": True},
        }
    ]


def test_show_says_more_than_the_list(kimchi, driver):
    shown = kimchi("vm", "show", "test", "-o", "json", status=0).json
    listed = kimchi("vm", "list", "-o", "json", status=0).json[0]
    assert {key: shown[key] for key in listed} == listed
    assert {"title", "description", "template", "os_distro", "os_version", "graphics"} < set(shown)
    assert {"disks", "nics", "snapshots", "addresses"} < set(shown)


def test_a_disk_in_a_pool_is_shown_with_the_volume_that_it_is(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    disks = kimchi("vm", "show", "web", "-o", "json", status=0).json["disks"]
    assert [(disk["pool"], disk["volume"]) for disk in disks] == [("default-pool", "web.qcow2"), (None, None)]
    listed = ("vm", "disk", "list", "web", "--filter", "device=disk", "-o", "json")
    assert kimchi(*listed, status=0).json[0]["volume"] == "web.qcow2"
    kimchi("pool", "stop", "default-pool", status=0)
    assert kimchi(*listed, status=0).json[0]["pool"] is None


def test_a_filter_on_what_the_list_leaves_out_asks_for_it(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    assert kimchi("vm", "list", "--filter", "template=test", "-o", "name", status=0).out == "web\n"
    assert kimchi("vm", "list", "--columns", "name,os_distro", "-o", "json", status=0).json[1]["os_distro"] == "ubuntu"


def test_a_list_for_programs_has_the_same_keys_in_json_and_csv(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", "--title", "a, b", status=0)
    for options in ((), ("--filter", "title~a")):
        header = next(csv.reader(kimchi("vm", "list", *options, "-o", "csv", status=0).out.splitlines()))
        assert header == list(kimchi("vm", "list", *options, "-o", "json", status=0).json[0])


def test_a_vm_that_does_not_exist_is_not_found(kimchi, driver):
    error = kimchi("vm", "show", "nosuchvm", "-o", "json", status=3)
    assert error.out == "" and "nosuchvm" in error.error["message"]


# -- the life of a VM


def test_a_vm_is_made_started_stopped_and_deleted_with_its_disk(kimchi, driver, template):
    kimchi("vm", "create", "test-vm", "--template", "test", status=0)
    assert states(kimchi)["test-vm"] == "shutoff"
    (volume,) = kimchi("volume", "list", "default-pool", "-o", "json", status=0).json
    assert (volume["capacity"], volume["used_by"]) == (10737418240, ["test-vm"])
    kimchi("vm", "start", "test-vm", status=0)
    assert "already" in kimchi("vm", "start", "test-vm", status=0).err
    assert states(kimchi)["test-vm"] == "running"
    kimchi("vm", "stop", "--force", "test-vm", status=0)
    assert states(kimchi)["test-vm"] == "shutoff"
    kimchi("vm", "delete", "test-vm", "--yes", status=0)
    assert "test-vm" not in states(kimchi)
    assert kimchi("volume", "list", "default-pool", "-o", "json", status=0).json == []


def test_unnamed_vms_are_called_after_their_template(kimchi, driver, template):
    for _ in range(5):
        kimchi("vm", "create", "--template", "test", status=0)
    assert set(states(kimchi)) == {"test", *(f"test-vm-{number}" for number in range(1, 6))}


def test_several_at_once_get_numbers_that_are_free(kimchi, driver, template):
    kimchi("vm", "create", "web-2", "--template", "test", status=0)
    made = kimchi("vm", "create", "web", "--template", "test", "--count", "3", "-o", "json", status=0).json
    assert [vm["name"] for vm in made] == ["web-1", "web-3", "web-4"]


def test_pausing_needs_a_running_vm_and_happens_once(kimchi, driver):
    kimchi("vm", "stop", "--force", "test", status=0)
    kimchi("vm", "suspend", "test", status=4)
    kimchi("vm", "start", "test", status=0)
    kimchi("vm", "suspend", "test", status=0)
    assert states(kimchi)["test"] == "paused"
    assert "already" in kimchi("vm", "suspend", "test", status=0).err
    kimchi("vm", "resume", "test", status=0)
    assert "already" in kimchi("vm", "resume", "test", status=0).err


def test_deleting_without_consent_is_wrong_usage_and_says_the_bill(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", "--start", status=0)
    refused = kimchi("vm", "delete", "web", status=2)
    assert "pool:default-pool/web.qcow2" in refused.err and "a medium" in refused.err and "--yes" in refused.err
    assert states(kimchi)["web"] == "running"


def test_disks_can_be_kept(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    kimchi("vm", "delete", "web", "--keep-disks", "--yes", status=0)
    assert kimchi("volume", "list", "default-pool", "-o", "name", status=0).out == "web.qcow2\n"


def test_a_disk_that_another_vm_names_stays(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    document = driver.lookupByName("web").XMLDesc(0)
    driver.defineXML(re.sub("<uuid>.*</uuid>|<mac .*/>", "", document.replace("<name>web<", "<name>twin<")))
    assert "used by twin" in kimchi("vm", "delete", "web", "--yes", status=0).err
    assert kimchi("volume", "list", "default-pool", "-o", "name", status=0).out == "web.qcow2\n"


def test_a_missing_vm_may_be_deleted_where_that_is_said(kimchi, driver):
    kimchi("vm", "delete", "nosuchvm", "--yes", status=3)
    kimchi("vm", "delete", "nosuchvm", "--yes", "--missing-ok", status=0)


def test_of_several_names_each_is_done_or_reported(kimchi, driver):
    done = kimchi("vm", "stop", "--force", "test", "nosuchvm", status=7)
    assert "nosuchvm" in done.err
    assert states(kimchi)["test"] == "shutoff"


def test_a_vm_starts_with_the_host_or_not(kimchi, driver):
    kimchi("vm", "autostart", "test", status=0)
    assert kimchi("vm", "show", "test", "-o", "json", status=0).json["autostart"] is True
    kimchi("vm", "autostart", "test", "--off", status=0)
    assert kimchi("vm", "show", "test", "-o", "json", status=0).json["autostart"] is False


def test_a_rename(kimchi, driver):
    kimchi("vm", "edit", "test", "--name", "пeω-∨м", status=4)
    kimchi("vm", "stop", "--force", "test", status=0)
    kimchi("vm", "edit", "test", "--name", "пeω-∨м", status=0)
    assert states(kimchi) == {"пeω-∨м": "shutoff"}


@pytest.mark.parametrize("verb", [("create", "--template", "none"), ("edit", "test")])
def test_a_title_is_one_line(kimchi, driver, verb):
    assert "a title is one line" in kimchi("vm", *verb, "--title", "one\ntwo", status=2).err


@pytest.mark.parametrize("wrong", [("--memory", "0"), ("--vcpus", "0"), ("--firmware", "")])
def test_what_no_vm_could_have_is_refused_as_in_a_template(kimchi, driver, wrong):
    kimchi("template", "create", "--netboot", "wrong", *wrong, status=4)
    assert kimchi("vm", "edit", "test", *wrong, status=4).err.startswith("kimchictl: error: vm 'test': ")


def test_a_vm_may_have_less_memory_than_a_template(kimchi, driver):
    kimchi("vm", "stop", "--force", "test", status=0)
    kimchi("vm", "edit", "test", "--memory", "64M", "--max-memory", "256M", status=0)
    (vm,) = kimchi("vm", "list", "-o", "json", status=0).json
    assert (vm["memory"], vm["max_memory"]) == (64 << 20, 256 << 20)


def test_a_vm_that_runs_is_asked_to_reboot_and_one_that_is_off_is_not(kimchi, driver):
    assert "asked to reboot" in kimchi("vm", "reboot", "test", status=0).err
    kimchi("vm", "stop", "--force", "test", status=0)
    kimchi("vm", "reboot", "test", status=4)


def test_a_wait_that_is_in_vain_times_out(kimchi, driver):
    kimchi("vm", "wait", "test", "running", status=0)
    assert "'test' did not go off" in kimchi("vm", "wait", "test", "off", "--timeout", "10ms", status=8).err


def test_a_wait_for_an_address_prints_it_and_no_other_wait_prints(kimchi, driver):
    assert kimchi("vm", "wait", "test", "running", "-o", "json", status=0).out == ""
    assert kimchi("vm", "wait", "test", "ip", status=0).out == "192.168.122.3\n"
    said = {"name": "test", "address": "192.168.122.3", "addresses": ["192.168.122.3"]}
    assert kimchi("vm", "wait", "test", "ip", "-o", "json", status=0).json == said


def test_a_picture_goes_where_bytes_can(kimchi, driver, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.StringIO())
        assert "cannot take a picture" in kimchi("vm", "screenshot", "test", "--file", "-", status=1).err
        with open("/dev/full", "w") as full:
            patched.setattr(sys, "stdout", full)
            assert "No space left" in kimchi("vm", "screenshot", "test", "--file", "-", status=1).err
            patched.setattr(sys, "stdout", None)
        kimchi("vm", "screenshot", "test", "--file", "-", status=141)


def test_a_screenshot_is_a_picture(kimchi, driver, tmp_path):
    kimchi("vm", "screenshot", "test", "--file", tmp_path / "s.png", status=0)
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    kimchi("vm", "stop", "--force", "test", status=0)
    kimchi("vm", "screenshot", "test", status=4)


# -- what goes wrong, and what is undone


def test_all_that_is_wrong_is_said_at_once(kimchi, driver, template):
    kimchi("network", "stop", "default", status=0)
    kimchi("pool", "stop", "default-pool", status=0)
    error = kimchi("vm", "create", "test", "--template", "test", "--memory", "64G", status=4).err
    for part in ("vm 'test' already exists", "memory 65536 MiB", "network 'default' is inactive", "no storage pool"):
        assert part in error
    assert "kimchictl network start default" in error and "kimchictl pool create default --type dir" in error


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_wrong_usage_and_missing_files_are_said_with_the_rest_by_a_dry_run_too(kimchi, driver, template, option):
    wide = ("vm", "create", "web", "--template", "test", "--graphics", "vnc,0.0.0.0", *option)
    assert "--insecure" in kimchi(*wide, status=2).err
    error = kimchi(*wide, "--cloud-init", "/nonexistent/user", "--pool", "nosuch", status=4).err
    for part in ("a display on 0.0.0.0", "user data '/nonexistent/user' do not exist", "pool 'nosuch' does not exist"):
        assert part in error
    kimchi(*wide, "--insecure", status=0)


@pytest.mark.parametrize(("label", "noted"), [("Debian 12.5.0 amd64 n", True), ("Ubuntu 14.04", False)])
def test_cloud_init_data_for_an_installer_that_reads_none_are_noted(kimchi, driver, image, tmp_path, label, noted):
    (tmp_path / "user").write_text("#cloud-config\n")
    kimchi("template", "create", "iso", "--cdrom", image(label), status=0)
    said = kimchi("vm", "create", "--template", "iso", "--cloud-init", tmp_path / "user", "--dry-run", status=0).err
    assert ("reads no cloud-init data" in said) is noted


def test_a_step_that_fails_takes_the_others_back(kimchi, driver, template, monkeypatch):
    def fail(*_):
        raise libvirt.libvirtError("no")

    monkeypatch.setattr(libvirt.virDomain, "createWithFlags", fail)
    kimchi("vm", "create", "web", "--template", "test", "--start", status=1)
    assert set(states(kimchi)) == {"test"}
    assert kimchi("volume", "list", "default-pool", "-o", "json", status=0).json == []


def test_of_several_that_all_fail_nothing_is_printed_and_of_the_others_an_array(kimchi, driver, template, monkeypatch):
    row = ("vm", "create", "web", "--template", "test", "--count", "2", "--start", "-o", "json")
    real, broken = power.start, ["web-1", "web-2"]

    def start(host, name):
        if name in broken:
            raise Failed("no")
        return real(host, name)

    monkeypatch.setattr(power, "start", start)
    assert kimchi(*row, status=1).out == ""
    broken.pop()
    assert [vm["name"] for vm in kimchi(*row, status=7).json] == ["web-2"]


def test_an_interrupt_takes_everything_back(kimchi, driver, template, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(libvirt.virConnect, "defineXMLFlags", interrupt)
    kimchi("vm", "create", "web", "--template", "test", status=130)
    assert kimchi("volume", "list", "default-pool", "-o", "json", status=0).json == []


CHANGES = ("createXML", "defineXML", "create", "define", "undefine", "destroy", "delete", "build", "set", "refresh")


def changing_calls(monkeypatch):
    """The names of all calls to libvirt from now on that would change something; none is made."""
    called = []
    kinds = ("virConnect", "virDomain", "virStoragePool", "virStorageVol", "virNetwork")
    for kind in (getattr(libvirt, name) for name in kinds):
        for name in [name for name in vars(kind) if name.startswith(CHANGES)]:
            monkeypatch.setattr(kind, name, lambda *_, name=name: called.append(name))
    return called


@pytest.mark.parametrize("option", ["--dry-run", "--print-xml"])
def test_a_dry_run_calls_nothing_that_changes_anything(kimchi, driver, template, monkeypatch, option):
    called = changing_calls(monkeypatch)
    done = kimchi("vm", "create", "--template", "test", option, status=0)
    assert called == []
    assert "test-vm-1" in done.out


def test_a_dry_run_of_a_deletion_neither(kimchi, driver, template, monkeypatch):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    called = changing_calls(monkeypatch)
    (bill,) = kimchi("vm", "delete", "web", "--dry-run", "-o", "json", status=0).json
    assert set(bill) == {"name", "uuid", "running", "persistent", "goes", "stays"}
    assert [set(each) for each in bill["goes"]] == [{"kind", "what", "size", "pool", "volume"}]
    assert {frozenset(each) for each in bill["stays"]} <= {frozenset(("kind", "what", "why"))}
    assert kimchi("vm", "delete", "web", "nosuch", "--dry-run", "-o", "name", status=7).out == "web\n"
    assert [name for name in called if name != "refresh"] == []


# -- the domain's XML, where there may be no host


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    monkeypatch.setenv("LIBVIRT_DEFAULT_URI", f"qemu+unix:///system?socket={tmp_path}/none")


def printed(kimchi, name):
    document = kimchi("vm", "create", "--template", name, "--print-xml", status=0).out
    return ElementTree.fromstring(document)  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("label", "target", "bus"), [("FOO 1", "hdc", "ide"), ("Debian 12.5.0 amd64 n", "sda", "sata")]
)
def test_an_unknown_system_gets_an_ide_cdrom_and_a_known_one_sata(kimchi, nowhere, image, label, target, bus):
    path = image(label)
    kimchi("template", "create", "t", "--cdrom", path, status=0)
    domain = printed(kimchi, "t")
    cdrom = domain.find("devices/disk[@device='cdrom']")
    assert (cdrom.find("target").attrib, cdrom.find("source").get("file")) == ({"dev": target, "bus": bus}, str(path))
    assert [boot.get("dev") for boot in domain.findall("os/boot")] == ["hd", "cdrom"]


def test_a_remote_image_is_a_network_cdrom(kimchi, nowhere):
    url = "http://host.example/a/b.iso"
    kimchi("template", "create", "t", "--cdrom", url, "--no-check", status=0)
    source = printed(kimchi, "t").find("devices/disk[@device='cdrom']/source")
    assert (source.get("protocol"), source.get("name")) == ("http", "/a/b.iso")
    assert source.find("host").attrib == {"name": "host.example", "port": "80"}


def test_a_path_with_blanks_and_unicode_stays_as_it_is(kimchi, nowhere, image):
    path = image("Debian 12.5.0 amd64 n", "a b – ü <&>.iso")
    kimchi("template", "create", "t", "--cdrom", path, status=0)
    assert kimchi("template", "show", "t", "-o", "json", status=0).json["cdrom"] == str(path)
    assert printed(kimchi, "t").find("devices/disk[@device='cdrom']/source").get("file") == str(path)


# -- pools, volumes, networks, the host


def test_a_pool_with_an_unusual_name_lives_and_goes(kimchi, driver, tmp_path):
    kimchi("pool", "create", POOL, "--path", tmp_path, status=0)
    kimchi("pool", "create", POOL, "--path", tmp_path, status=4)
    kimchi("pool", "start", POOL, status=0)
    assert kimchi("pool", "show", POOL, "-o", "json", status=0).json["state"] == "active"
    kimchi("pool", "stop", POOL, status=0)
    kimchi("pool", "delete", POOL, status=0)
    assert [pool["name"] for pool in kimchi("pool", "list", "-o", "json", status=0).json] == ["default-pool"]


def test_a_pool_starts_with_the_host_or_not_in_both_states(kimchi, driver):
    for verb in ("stop", "start"):
        kimchi("pool", verb, "default-pool", status=0)
        for option, wanted in (("--autostart", True), ("--no-autostart", False)):
            kimchi("pool", "edit", "default-pool", option, status=0)
            shown = kimchi("pool", "show", "default-pool", "-o", "json", status=0).json
            assert (shown["autostart"], shown["active"]) == (wanted, verb == "start")


def test_an_inactive_pool_has_no_volumes(kimchi, driver):
    kimchi("pool", "stop", "default-pool", status=0)
    assert "is inactive" in kimchi("volume", "list", "default-pool", status=4).err
    assert kimchi("pool", "show", "default-pool", "-o", "json", status=0).json["volumes"] == 0
    kimchi("volume", "create", "default-pool", "v", "--size", "1G", status=4)


def test_a_volume_needs_a_name_that_is_free(kimchi, driver):
    kimchi("volume", "create", "default-pool", "--size", "1G", status=2)
    kimchi("volume", "create", "default-pool", "v", "--size", "1", status=0)
    kimchi("volume", "create", "default-pool", "v", "--size", "1G", status=4)
    assert kimchi("volume", "show", "default-pool", "v", "-o", "json", status=0).json["capacity"] == 1 << 30


def test_the_figures_of_a_pool_are_integers(kimchi, driver):
    shown = kimchi("pool", "show", "default-pool", "-o", "json", status=0).json
    assert all(type(shown[key]) is int for key in ("capacity", "allocation", "available", "volumes"))


def test_a_pool_is_not_refreshed_by_hand(kimchi, driver):
    kimchi("pool", "refresh", "default-pool", status=2)


def test_what_is_in_use_is_not_deleted(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    refused = kimchi("volume", "delete", "default-pool", "web.qcow2", "--yes", status=4).err
    assert "in use by vm 'web'" in refused and "vm disk list web" in refused
    kimchi("pool", "stop", "default-pool", status=0)
    assert "in use by vm 'web'" in kimchi("pool", "delete", "default-pool", status=4).err


def test_a_template_that_names_what_is_to_be_deleted_is_called_one(kimchi, driver):
    kimchi("volume", "create", "default-pool", "a.img", "--size", "1G", "--format", "raw", status=0)
    kimchi("template", "create", "pt", "--netboot", "--disk", "size=1G,pool=default-pool", status=0)
    base = "size=1G,pool=default-pool,base=pool:default-pool/a.img"
    kimchi("template", "edit", "pt", "--disk", base, status=0)
    refused = kimchi("volume", "delete", "default-pool", "a.img", "--yes", status=4).err
    assert "in use by template 'pt'" in refused and "template edit pt" in refused
    kimchi("pool", "stop", "default-pool", status=0)
    assert "in use by template 'pt'" in kimchi("pool", "delete", "default-pool", status=4).err


def test_the_only_active_pool_is_taken_where_the_template_names_none(kimchi, driver, template):
    kimchi("vm", "create", "web", "--template", "test", status=0)
    assert kimchi("volume", "list", "default-pool", "-o", "name", status=0).out == "web.qcow2\n"


def test_of_several_active_pools_one_has_to_be_named(kimchi, driver, template, tmp_path):
    kimchi("pool", "create", "other", "--path", tmp_path, "--start", status=0)
    assert "--pool" in kimchi("vm", "create", "web", "--template", "test", status=3).err
    kimchi("vm", "create", "web", "--template", "test", "--pool", "other", status=0)


def test_networks_start_and_stop(kimchi, driver):
    kimchi("network", "stop", "default", status=0)
    assert kimchi("network", "list", "-o", "json", status=0).json[0]["state"] == "inactive"
    kimchi("network", "start", "default", status=0)
    assert "already" in kimchi("network", "start", "default", status=0).err
    kimchi("network", "show", "nosuch", status=3)


def test_the_host_tells_what_it_can_do_without_kvm(kimchi, driver):
    told = kimchi("host", "capabilities", "-o", "json", status=0).json
    assert told["libvirtd"] == "running" and "https" in told["libvirt_protocols"]
    assert told["screenshot"] is True and told["kvm"] is False and "qemu_streaming" in told


def test_without_a_daemon_the_error_says_what_to_start(kimchi, nowhere):
    error = kimchi("vm", "list", "-o", "json", status=5)
    assert error.out == "" and error.error["code"] == "host" and "libvirtd" in error.error["hint"]


def test_the_console_of_a_vm_that_is_off_is_refused_whatever_standard_output_is(kimchi, driver, monkeypatch):
    kimchi("vm", "stop", "test", "--force", status=0)
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert "is shutoff" in kimchi("vm", "console", "test", status=4).err
    kimchi("vm", "start", "test", status=0)
    assert "cannot take the console" in kimchi("vm", "console", "test", status=1).err


def test_a_pool_of_a_directory_needs_its_path(kimchi, driver):
    assert "--path" in kimchi("pool", "create", "p", "--type", "dir", status=2).err
