"""What is no longer there, and what a host says of templates: libvirt's test driver is the host."""

import os

import pytest

from lab.images import make_image

HOST = "test:///default"


@pytest.fixture
def debian(kimchi, image):
    """A template called test of a Debian image that lies at the path this returns."""
    path = image("Debian 12.5.0 amd64 n")
    kimchi("template", "create", "test", "--cdrom", path, status=0)
    return path


def findings(run):
    return [(row["status"], row["message"]) for row in run.json]


def check(kimchi, *words, host="test:///nowhere.xml", status=None):
    return kimchi("-c", host, "template", "check", *words, "-o", "json", status=status)


def test_where_all_is_well_it_says_so(kimchi, debian):
    assert findings(check(kimchi, status=0)) == [("ok", "all that it names is there")]


def test_a_missing_image_is_told_with_the_fix(kimchi, debian):
    debian.unlink()
    done = check(kimchi, "test", status=7)
    assert findings(done) == [("fail", f"image {debian} is missing")]
    assert done.json[0]["fix"] == "kimchictl template edit test --cdrom SOURCE"


def test_another_image_at_the_same_path_is_told(kimchi, debian):
    make_image(debian, "FOO 1")
    assert ("warn", f"image {debian} is another one now: 'FOO 1', it was 'Debian 12.5.0 amd64 n'") in findings(
        check(kimchi, status=0)
    )


def test_an_image_that_became_unusable_fails(kimchi, debian):
    debian.write_bytes(b"no image at all" * 5000)
    assert any(status == "fail" and "is not an ISO" in text for status, text in findings(check(kimchi, status=7)))


def test_firmware_that_the_image_cannot_boot_is_a_warning(kimchi, debian):
    kimchi("template", "edit", "test", "--firmware", "uefi", status=0)
    done = check(kimchi, status=0)
    assert findings(done) == [("warn", f"image {debian} boots by bios, and firmware is uefi")]
    assert done.json[0]["fix"] == "kimchictl template edit test --firmware bios"


def test_an_unknown_key_of_a_file_is_a_warning(kimchi):
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    os.makedirs(directory)
    with open(os.path.join(directory, "web.json"), "w") as file:
        file.write('{"name": "web", "memmory": 5, "disks": [{"szie": 3}]}')
    texts = [text for _, text in findings(check(kimchi, status=0))]
    assert texts == ["unknown key 'disks.szie'", "unknown key 'memmory'"]


def test_without_a_host_the_rest_is_checked_and_that_is_said(kimchi, debian):
    done = check(kimchi, status=0)
    assert "not checked: pools, networks" in done.err


def test_a_pool_and_a_network_that_the_host_has_not_fail(kimchi, debian):
    kimchi("template", "edit", "test", "--disk", "0,pool=fast", "--network", "lan", status=0)
    told = findings(check(kimchi, host=HOST, status=7))
    assert ("fail", "pool 'fast' does not exist") in told
    assert ("fail", "network 'lan' does not exist") in told


def test_where_no_pool_is_active_and_none_was_named_the_fix_makes_one(kimchi, debian, tmp_path):
    host = tmp_path / "empty.xml"
    host.write_text("<node/>")
    fixes = [row["fix"] for row in check(kimchi, host=f"test://{host}", status=7).json if "pool" in row["message"]]
    assert fixes == ["kimchictl pool create default --type dir --path /var/lib/libvirt/images --start"]


def test_a_pool_that_nobody_named_may_be_the_only_active_one(kimchi, debian):
    assert all("pool" not in text for _, text in findings(check(kimchi, host=HOST)))


def test_more_memory_than_the_host_has_fails_with_both_amounts(kimchi, debian):
    kimchi("template", "edit", "test", "--memory", "64G", status=0)
    assert any("memory 65536 MiB is above the" in text for _, text in findings(check(kimchi, host=HOST, status=7)))
    done = kimchi("-c", HOST, "template", "edit", "test", "--memory", "128G", status=4)
    assert "131072 MiB is above the" in done.err


def test_an_image_for_disks_outside_of_any_pool_fails_as_vm_create_would(kimchi, tmp_path):
    partitions = bytes(510) + b"\x55\xaa"
    (tmp_path / "disk.img").write_bytes(partitions.ljust(1 << 20, b"\0"))
    kimchi("template", "create", "test", "--image", tmp_path / "disk.img", status=0)
    ((_, text),) = [found for found in findings(check(kimchi, host=HOST, status=7)) if "base image" in found[1]]
    assert text == f"base image {tmp_path}/disk.img is in no active pool of the host"
    assert text in kimchi("-c", HOST, "vm", "create", "--template", "test", status=3).err


def test_a_pool_or_network_on_the_command_line_must_be_there_if_there_is_a_host(kimchi, image):
    words = ("template", "create", "new", "--cdrom", image())
    assert "no pool 'fast'" in kimchi("-c", HOST, *words, "--disk", "size=1,pool=fast", status=3).err
    assert "no network 'lan'" in kimchi("-c", HOST, *words, "--network", "lan", status=3).err
    kimchi("-c", HOST, *words, "--disk", "size=1,pool=default-pool", "--network", "default", status=0)


def test_without_a_host_a_name_is_a_note(kimchi, image):
    words = ("template", "create", "new", "--cdrom", image(), "--network", "lan")
    done = kimchi("-c", "test:///nowhere.xml", *words, status=0)
    assert "not checked whether there is network 'lan'" in done.err


def test_names_that_are_not_there_are_told_one_by_one(kimchi, debian):
    done = check(kimchi, "test", "blah", status=7)
    assert "no template 'blah'" in done.err
    assert len(done.json) == 1


def test_the_vms_made_from_a_template_are_listed_with_it(kimchi, debian, tmp_path):
    from kimchictl.virt.domain.metadata import NAMESPACE

    (tmp_path / "host.xml").write_text(
        f"""<node><domain type='test'><name>web</name><memory>1024</memory><os><type>hvm</type></os><metadata>
        <k:vm xmlns:k='{NAMESPACE}'><k:template name='test'/></k:vm></metadata></domain></node>"""
    )
    kimchi("template", "clone", "test", status=0)
    words = ("template", "list", "--used-by", "-o", "json")
    rows = kimchi("-c", f"test://{tmp_path}/host.xml", *words, status=0).json
    assert [(row["name"], row["used_by"]) for row in rows] == [("test", ["web"]), ("test-clone1", [])]
    kimchi("-c", "test:///nowhere.xml", *words, status=5)
