"""The keys of what JSON prints are a contract: a new one is allowed, a lost one is a break for somebody's script."""

import pytest

from lab.images import make_image

HOST = ("-c", "test:///default")

IMAGE = """location source host pool volume size capacity mtime volume_id system_id publisher_id application_id bootable
boot os_distro os_version os_arch os_variant os_name identified_by live used_by readable error"""
POOL = """name state type path active autostart persistent capacity allocation available volumes used_by templates stale
    error source reachable"""
VOLUME = """name pool type format path capacity allocation backing used_by os_distro os_version bootable backing_format
    physical templates unfinished"""
VM = "name uuid state vcpus max_vcpus memory max_memory autostart persistent"
VM_WIDE = "title description template os_distro os_version graphics"
VM_SHOWN = "disks nics snapshots addresses displays hostdevs"
DISTRO = """name os_distro os_version os_arch cdrom mirrors checksum icon folder description memory max_memory vcpus
max_vcpus topology disks networks graphics firmware secure_boot tpm cpu machine virt_type disk_bus nic_model cloud_init
origin"""
TEMPLATE = f"{DISTRO} made problems"
STATISTICS = "name at cpu memory disk_read disk_write net_rx net_tx"


def lost(record, keys):
    return set(keys.split()) - set(record)


@pytest.fixture
def made(kimchi, tmp_path):
    """An image that was scanned, and the template "t" of it."""
    path = make_image(tmp_path / "a.iso", "Debian 12.5.0 amd64 n")
    kimchi("iso", "scan", "--deep", tmp_path, "-q", status=0)
    kimchi("template", "create", "t", "--cdrom", path, status=0)
    return path


@pytest.fixture
def volume(kimchi):
    """A volume on the test driver, whose state lives as long as a connection."""
    from kimchictl.virt.connection import open_host

    with open_host("test:///default"):
        kimchi(*HOST, "volume", "create", "default-pool", "v.img", "--size", "1", "--format", "raw", status=0)
        yield "v.img"


def test_an_image_from_a_probe_a_scan_and_the_index(kimchi, made):
    for words in (["probe", made], ["scan", "--deep", made.parent], ["list"]):
        (image,) = kimchi("iso", *words, "-o", "json", status=0).json
        assert lost(image, IMAGE) == set(), words
    assert (image["host"], image["boot"], image["used_by"]) == (None, ["bios"], ["t"])


def test_an_image_that_changed(kimchi, made):
    (image,) = kimchi("iso", "scan", "--deep", made.parent, "--changed", "-o", "json", status=0).json
    assert lost(image, IMAGE + " change") == set()


def test_a_template(kimchi, made):
    for template in (
        kimchi("template", "show", "t", "-o", "json").json,
        kimchi("template", "list", "-o", "json").json[0],
    ):
        assert lost(template, TEMPLATE) == set()
        assert lost(template["disks"][0], "index size format pool bus base") == set()
        assert lost(template["networks"][0], "type name model") == set()
        assert lost(template["graphics"], "type listen") == set()
        assert lost(template["made"], "by at image") == set()
        assert lost(template["made"]["image"], "size mtime volume_id") == set()


def test_a_distro(kimchi):
    kimchi(
        "distro", "add", "d", "--url", "http://h.example/a.iso", "--os-distro", "x", "--os-version", "1", "--no-check"
    )
    for distro in (kimchi("distro", "show", "d", "-o", "json").json, kimchi("distro", "list", "-o", "json").json[0]):
        assert lost(distro, DISTRO) == set()
        assert "made" not in distro


def test_a_pool(kimchi):
    (listed,) = kimchi(*HOST, "pool", "list", "-o", "json", status=0).json
    shown = kimchi(*HOST, "pool", "show", "default-pool", "-o", "json", status=0).json
    assert lost(listed, POOL) == lost(shown, POOL) == set()
    assert all(isinstance(shown[key], int) for key in ("capacity", "allocation", "available", "volumes"))


def test_a_volume(kimchi, volume):
    (listed,) = kimchi(*HOST, "volume", "list", "default-pool", "-o", "json", status=0).json
    shown = kimchi(*HOST, "volume", "show", "default-pool", volume, "-o", "json", status=0).json
    assert lost(listed, VOLUME) == lost(shown, VOLUME) == set()
    assert (shown["capacity"], shown["backing"], shown["used_by"]) == (1 << 30, None, [])


def test_a_vm(kimchi):
    (listed,) = kimchi(*HOST, "vm", "list", "-o", "json", status=0).json
    assert lost(listed, VM) == set()
    columns = ",".join(f"{VM} {VM_WIDE}".split())
    (wide,) = kimchi(*HOST, "vm", "list", "--columns", columns, "-o", "json", status=0).json
    assert lost(wide, f"{VM} {VM_WIDE}") == set()
    shown = kimchi(*HOST, "vm", "show", "test", "-o", "json", status=0).json
    assert lost(shown, f"{VM} {VM_WIDE} {VM_SHOWN}") == set()


def test_statistics(kimchi):
    kimchi(*HOST, "stats", "collect", "--once", status=0)
    shown = kimchi(*HOST, "stats", "show", "host", "--since", "1h", "-o", "json", status=0).json
    assert lost(shown, STATISTICS + " history") == set()
    assert lost(shown["cpu"], "current peak unit") == set()


def test_the_doctor(kimchi):
    findings = kimchi(*HOST, "host", "check", "-o", "json").json
    assert findings and all(lost(finding, "name status message fix") == set() for finding in findings)
    assert {finding["status"] for finding in findings} <= {"ok", "warn", "fail"}


@pytest.mark.parametrize(
    "words",
    [
        ("iso", "list"),
        ("iso", "rule", "list"),
        ("template", "list"),
        ("distro", "list"),
        ("vm", "list"),
        ("vm", "disk", "list", "test"),
        ("vm", "nic", "list", "test"),
        ("vm", "snapshot", "list", "test"),
        ("pool", "list"),
        ("volume", "list"),
        ("volume", "orphans"),
        ("network", "list"),
        ("task", "list"),
        ("stats", "show"),
        ("config", "show"),
        ("config", "path"),
    ],
)
def test_every_list_takes_columns_an_order_and_filters_and_refuses_keys_that_are_none(kimchi, words):
    if words[0] == "stats":  # else each of them measures for a second
        for _ in range(2):
            kimchi(*HOST, "stats", "collect", "--once", status=0)
    header = kimchi(*HOST, *words, "-o", "csv", status=0).out.splitlines()[0]
    key = header.split(",")[0]
    chosen = kimchi(
        *HOST, *words, "-o", "csv", "--columns", key, "--sort", f"-{key}", "--filter", f"{key}~^$", status=0
    )
    assert chosen.out.splitlines()[0] == key
    kind = dict if words == ("config", "show") else list  # one object, of which the lines are the parts
    assert isinstance(kimchi(*HOST, *words, "-o", "json", "--filter", f"{key}~.", status=0).json, kind)
    for wrong in (("--columns", "nosuch"), ("--sort", "nosuch"), ("--filter", "nosuch=1"), ("--filter", "nonsense")):
        assert kimchi(*HOST, *words, *wrong, status=2).out == ""
