"""Templates: made, looked up, listed, cloned, deleted."""

import json
import os
import re
import subprocess
import sys

import pytest

from kimchictl.store import file_name

DEFAULT = {"index": 0, "size": 20, "format": "qcow2", "pool": "default", "bus": "virtio", "base": None}


@pytest.fixture
def directory():
    """Where one's own templates lie."""
    return os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")


@pytest.fixture
def write(directory):
    """Writes a template file by hand."""

    def put(name, file=None, **values):
        os.makedirs(directory, exist_ok=True)
        with open(os.path.join(directory, file or os.fsdecode(file_name(name))), "w", encoding="utf-8") as stream:
            json.dump({"name": name, **values}, stream, ensure_ascii=False)

    return put


def test_no_templates_are_an_empty_list(kimchi):
    assert kimchi("template", "list", "-o", "json", status=0).json == []


def test_a_template_of_an_image_has_all_that_a_vm_needs(kimchi, image):
    path = image("Ubuntu 14.04")
    kimchi("template", "create", "test", "--cdrom", path, status=0)
    shown = kimchi("template", "show", "test", "-o", "json", status=0).json
    assert (shown["os_distro"], shown["os_version"], shown["cdrom"]) == ("ubuntu", "14.04", str(path))
    assert shown["disks"] == [DEFAULT]
    assert (shown["memory"], shown["vcpus"], shown["problems"]) == (2048, 2, [])
    assert shown["networks"] == [{"type": "network", "name": "default", "model": "virtio"}]
    assert shown["graphics"] == {"type": "vnc", "listen": "127.0.0.1"}


def test_a_relative_path_is_stored_absolute_and_a_link_by_where_it_leads(kimchi, image, tmp_path, monkeypatch):
    path = image("Ubuntu 14.04")
    os.symlink(path.name, tmp_path / "link.iso")
    monkeypatch.chdir(tmp_path)
    made = kimchi("template", "create", "test", "--cdrom", "link.iso", "-o", "json", status=0)
    assert made.json["cdrom"] == str(path)
    assert f"link.iso leads to {path}" in made.err


def test_many_disks_keep_their_order_and_formats(kimchi, image):
    disks = ("--disk", "size=10,format=raw", "--disk", "size=5G,format=qcow2")
    made = kimchi("template", "create", "test", "--cdrom", image(), *disks, "-o", "json", status=0).json
    assert [(disk["index"], disk["size"], disk["format"]) for disk in made["disks"]] == [
        (0, 10, "raw"),
        (1, 5, "qcow2"),
    ]


@pytest.mark.parametrize("form", ["qcow2", "raw", "vmdk", "qcow", "qed", "vpc"])
def test_every_format_is_kept(kimchi, image, form):
    made = kimchi("template", "create", "test", "--cdrom", image(), "--disk", f"format={form}", "-o", "json", status=0)
    assert made.json["disks"][0]["format"] == form


def test_another_format_is_refused_with_those_there_are(kimchi, image):
    done = kimchi("template", "create", "test", "--cdrom", image(), "--disk", "format=cow", status=4)
    assert "'cow' must be one of qcow2, raw, vmdk, qcow, qed, vpc" in done.err


def test_a_name_that_is_taken_is_refused_and_what_is_stored_stays(kimchi, image):
    kimchi("template", "create", "test", "--cdrom", image(), "--memory", "1G", status=0)
    done = kimchi("template", "create", "test", "--cdrom", image(), "--memory", "3G", status=4)
    assert "'test' already exists" in done.err
    assert kimchi("template", "show", "test", "-o", "json").json["memory"] == 1024


@pytest.mark.parametrize(
    ("rule", "names", "memory"),
    [("skip", ["test"], 1024), ("replace", ["test"], 3072), ("suffix", ["test", "test-2"], 1024)],
)
def test_what_to_do_with_a_name_that_is_taken_can_be_said(kimchi, image, rule, names, memory):
    kimchi("template", "create", "test", "--cdrom", image(), "--memory", "1G", status=0)
    kimchi("template", "create", "test", "--cdrom", image(), "--memory", "3G", "--if-exists", rule, "--yes", status=0)
    listed = kimchi("template", "list", "-o", "json").json
    assert [row["name"] for row in listed] == names
    assert listed[0]["memory"] == memory


def test_replacing_without_a_terminal_wants_consent(kimchi, image):
    kimchi("template", "create", "test", "--cdrom", image(), status=0)
    assert "--yes" in kimchi("template", "create", "test", "--cdrom", image(), "--if-exists", "replace", status=2).err


def test_an_unnamed_template_is_called_after_its_system_and_numbered(kimchi, image):
    other = image("Debian 12.6.0 amd64 n")
    for path in (image("Debian 12.5.0 amd64 n"), other, image("Ubuntu-Server 24.04.1 LTS amd64"), image("FOO 1")):
        kimchi("template", "create", "--cdrom", path, status=0)
    names = kimchi("template", "list", "-o", "name").out.split()
    assert names == ["debian-12", "debian-12-2", "foo-1", "ubuntu-24.04-server"]


def test_several_sources_are_several_templates_and_each_failure_a_line_of_its_own(kimchi, image, tmp_path):
    sources = [image("Debian 12.5.0 amd64 n"), tmp_path / "gone.iso", image("FOO 1")]
    arguments = [word for source in sources for word in ("--cdrom", source)]
    done = kimchi("template", "create", *arguments, "-o", "json", status=7)
    assert [row["name"] for row in done.json] == ["debian-12", "foo-1"]
    assert '"code": "not_found"' in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--cdrom", "a", "--netboot"),
        ("name", "--cdrom", "a", "--cdrom", "b"),
        ("name", "--from-scan"),
        ("--from-scan", "--edit"),
        ("--cdrom", "a", "--filter", "a=b"),
    ],
)
def test_wrong_usage_of_create(kimchi, arguments):
    assert kimchi("template", "create", *arguments, status=2).out == ""


def test_a_missing_path_is_not_found(kimchi, tmp_path):
    done = kimchi("template", "create", "test", "--cdrom", tmp_path / "gone.iso", status=3)
    assert str(tmp_path / "gone.iso") in done.err
    assert kimchi("template", "list", "-o", "name").out == ""


def test_what_is_no_image_is_refused(kimchi):
    done = kimchi("template", "create", "test", "--cdrom", __file__, status=4)
    assert re.search(r"is not an ISO", done.err)


@pytest.mark.parametrize("source", ["gopher://x/y", "foo", "pool:x", "https://me:secret@host/a.iso"])
def test_a_source_of_another_kind_is_refused_by_name(kimchi, source):
    done = kimchi("template", "create", "test", "--cdrom", source, "--no-check" if "secret" in source else "--yes")
    assert done.status == 4
    assert "secret" in source or source in done.err


def test_an_image_that_cannot_boot_is_refused(kimchi, image):
    assert "not bootable" in kimchi("template", "create", "test", "--cdrom", image(bios=False), status=4).err


def test_an_image_that_is_incomplete_is_never_templated(kimchi, image):
    path = image("Debian 12.5.0 amd64 n", files={"BIG": b"x" * 100_000})
    os.truncate(path, path.stat().st_size - 65536)
    assert "incomplete" in kimchi("template", "create", "test", "--cdrom", path, status=4).err


def test_an_image_that_is_not_there_yet_can_be_named_unchecked(kimchi, tmp_path):
    path = tmp_path / "later.iso"
    kimchi("template", "create", "--cdrom", path, "--no-check", "--os-distro", "debian", "--os-version", "13", status=0)
    shown = kimchi("template", "show", "debian-13", "-o", "json").json
    assert (shown["cdrom"], shown["machine"]) == (str(path), "q35")
    assert shown["problems"] == [f"image {path} is missing"]


def test_a_template_without_an_image_boots_from_the_network(kimchi):
    made = kimchi("template", "create", "pxe", "--netboot", "-o", "json", status=0).json
    assert (made["cdrom"], made["name"]) == (None, "pxe")


def test_what_the_user_knows_better_counts(kimchi, image):
    made = kimchi(
        "template", "create", "--cdrom", image("FOO 1"), "--os-distro", "fedora", "--os-version", "21", "-o", "json"
    )
    assert (made.json["name"], made.json["os_version"], made.json["disk_bus"]) == ("fedora-21", "21", "virtio")


def test_memory_below_what_the_system_asks_for_is_a_warning(kimchi, image):
    done = kimchi(
        "template",
        "create",
        "t",
        "--cdrom",
        image("Windows", name="w.iso"),
        "--os-distro",
        "windows",
        "--os-version",
        "11",
        "--memory",
        "512M",
        status=0,
    )
    assert "memory 512 MiB is below what windows 11 asks for" in done.err


def test_a_dry_run_makes_nothing(kimchi, image, directory):
    done = kimchi("template", "create", "--cdrom", image(), "--dry-run", "-o", "json", status=0)
    assert done.json["name"] == "ubuntu-14.04"
    assert not os.path.exists(directory)


def test_a_path_with_blanks_and_unicode_is_kept(kimchi, image):
    path = image("Ubuntu 14.04", name="ein schönes 映像 .iso")
    assert kimchi("template", "create", "t", "--cdrom", path, "-o", "json", status=0).json["cdrom"] == str(path)


def test_names_in_any_script_work_everywhere(kimchi, image):
    name = "kīмсhīTmpl"
    kimchi("template", "create", name, "--cdrom", image(), status=0)
    assert kimchi("template", "show", name, "-o", "json").json["name"] == name
    assert name in kimchi("template", "list").out
    kimchi("template", "edit", name, "--memory", "1G", status=0)
    kimchi("template", "clone", name, status=0)
    kimchi("template", "delete", name, f"{name}-clone1", status=0)
    assert kimchi("template", "list", "-o", "json").json == []


@pytest.mark.parametrize(
    ("given", "kept"), [(" lead", "lead"), ("trail ", "trail"), ("in side", "in side"), ("a/b", "a/b")]
)
def test_blanks_around_a_name_are_trimmed_and_inside_kept(kimchi, image, given, kept):
    kimchi("template", "create", given, "--cdrom", image(), status=0)
    assert [row["name"] for row in kimchi("template", "list", "-o", "json").json] == [kept]


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "é" * 101, "/" * 67, "a\nb"])
def test_a_name_that_cannot_be_one_is_refused(kimchi, image, name):
    kimchi("template", "create", name, "--cdrom", image(), status=4)


def test_a_clone_is_equal_but_for_name_and_provenance(kimchi, image):
    kimchi("template", "create", "test", "--cdrom", image(), status=0)
    assert kimchi("template", "clone", "test", "-o", "name", status=0).out == "test-clone1\n"
    first, second = (kimchi("template", "show", name, "-o", "json").json for name in ("test", "test-clone1"))
    assert {key for key in first if first[key] != second[key]} == {"name", "made"}
    assert kimchi("template", "clone", "test", "-o", "name").out == "test-clone2\n"


def test_a_clone_can_be_named_and_not_over_another(kimchi, image):
    kimchi("template", "create", "test", "--cdrom", image(), status=0)
    kimchi("template", "clone", "test", "--name", "web", status=0)
    kimchi("template", "clone", "test", "--name", "web", status=4)


def test_deleting_goes_on_after_a_failure(kimchi, image):
    kimchi("template", "create", "test", "--cdrom", image(), status=0)
    assert "no template 'blah'" in kimchi("template", "delete", "blah", status=3).err
    kimchi("template", "delete", "blah", "test", status=7)
    assert kimchi("template", "list", "-o", "name").out == ""
    kimchi("template", "rm", "blah", "--missing-ok", status=0)


def test_a_missing_image_is_a_mark_that_is_never_stored(kimchi, image, directory):
    path = image()
    kimchi("template", "create", "test", "--cdrom", path, status=0)
    path.unlink()
    assert kimchi("template", "list", "-o", "json", status=0).json[0]["problems"] == [f"image {path} is missing"]
    kimchi("template", "clone", "test", status=0)
    kimchi("template", "edit", "test", "--memory", "1G", status=0)
    for file in os.listdir(directory):
        if not file.startswith("."):
            with open(os.path.join(directory, file)) as stream:
                assert not {"problems", "origin", "index"} & set(re.findall(r'"(\w+)":', stream.read()))


def test_an_image_that_changed_since_is_marked(kimchi, image):
    path = image()
    kimchi("template", "create", "test", "--cdrom", path, status=0)
    os.utime(path, (1_000_000, 1_000_000))
    assert "changed at 1970-01-12" in kimchi("template", "show", "test", "-o", "json").json["problems"][0]


def test_a_damaged_file_is_named_and_hides_no_other(kimchi, write, directory):
    for name in ("a", "b", "c"):
        write(name)
    with open(os.path.join(directory, "bad.json"), "w") as stream:
        stream.write('{"name": "bad", ')
    done = kimchi("template", "list", "-o", "json", status=0)
    assert [row["name"] for row in done.json] == ["a", "b", "c"]
    assert "bad.json" in done.err
    assert "bad" in kimchi("template", "show", "bad", status=4).err
    kimchi("template", "delete", "bad", status=0)
    assert kimchi("template", "list", status=0).err == ""


def test_a_file_that_breaks_a_rule_is_named_and_hides_no_other(kimchi, write):
    write("good", memory=1024)
    write("bad", memory="much")
    done = kimchi("template", "list", "-o", "json", status=0)
    assert [row["name"] for row in done.json] == ["good"]
    assert "bad.json" in done.err and "memory 'much' must be a whole number of MiB" in done.err
    assert "memory" in kimchi("template", "show", "bad", status=4).err
    kimchi("template", "delete", "bad", status=0)


def test_what_is_shown_can_be_told_apart_from_what_is_stored(kimchi, write):
    write("web", path="/a.iso", networks=["lan"], site=4)
    assert kimchi("template", "show", "web", "--stored").json == {
        "name": "web",
        "path": "/a.iso",
        "networks": ["lan"],
        "site": 4,
    }
    shown = kimchi("template", "show", "web", "-o", "json").json
    assert (shown["cdrom"], shown["networks"][0]["name"], shown["site"]) == ("/a.iso", "lan", 4)


def test_where_each_value_comes_from_can_be_asked(kimchi, image, monkeypatch):
    kimchi("template", "create", "test", "--cdrom", image(), "--memory", "1G", status=0)
    monkeypatch.setenv("KIMCHICTL_TEMPLATE_POOL", "fast")
    rows = kimchi("template", "show", "test", "--resolved", "-o", "json", status=0).json
    assert rows["memory"] == {"value": 1024, "origin": "given"}
    assert rows["vcpus"] == {"value": 2, "origin": "os"}
    assert rows["disks[0].pool"] == {"value": "fast", "origin": "configuration"}
    assert rows["graphics.type"] == {"value": "vnc", "origin": "built in"}
    assert "configuration" in kimchi("template", "show", "test", "--resolved").out


def test_a_template_of_a_package_can_be_cloned_and_overridden_but_not_deleted(kimchi, tmp_path, monkeypatch):
    monkeypatch.setenv("KIMCHI_DATA_DIR", str(tmp_path))
    os.mkdir(tmp_path / "templates")
    (tmp_path / "templates/web.json").write_text('{"name": "web", "memory": 1024}')
    assert kimchi("template", "list", "-o", "json").json[0]["origin"] == "package"
    kimchi("template", "delete", "web", status=4)
    kimchi("template", "clone", "web", status=0)
    kimchi("template", "edit", "web", "--memory", "2G", status=0)
    shown = kimchi("template", "show", "web", "-o", "json").json
    assert (shown["memory"], shown["origin"]) == (2048, "site")
    assert "counts again" in kimchi("template", "delete", "web", status=0).err
    assert kimchi("template", "show", "web", "-o", "json").json["memory"] == 1024


def test_listing_loads_neither_libvirt_nor_rich_nor_pycdlib():
    program = (
        "import sys; from kimchictl.cli import main; status = main(['template', 'list', '-o', 'json']);"
        "sys.exit(status or sorted({'libvirt', 'rich', 'pycdlib', 'urllib.request', 'ssl'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


def test_a_list_takes_filters_and_columns(kimchi, write):
    write("a", os_distro="debian", memory=4096)
    write("b", os_distro="fedora")
    assert kimchi("template", "list", "-o", "name", "--filter", "os_distro=debian").out == "a\n"
    assert kimchi("template", "list", "-o", "name", "--filter", "memory>=3G").out == "a\n"
    assert kimchi("template", "list", "-o", "json", "--columns", "name,origin").json[1] == {
        "name": "b",
        "origin": "site",
    }


def test_a_template_goes_to_another_host_and_comes_back(kimchi, image, tmp_path, monkeypatch):
    kimchi("template", "create", "test", "--cdrom", image(), "--folder", "a/b", status=0)
    kimchi("template", "clone", "test", status=0)
    kimchi("template", "export", "--all", "--directory", tmp_path / "out", status=0)
    assert "made" not in json.loads((tmp_path / "out/test.json").read_text())
    before = kimchi("template", "list", "-o", "json").json
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", str(tmp_path / "other"))
    kimchi("template", "import", tmp_path / "out", status=0)
    after = kimchi("template", "list", "-o", "json").json
    assert [{**row, "made": None} for row in before] == [{**row, "made": None} for row in after]


def test_one_exported_template_is_an_object_and_several_are_an_array(kimchi, write):
    write("a")
    write("b")
    assert kimchi("template", "export", "a").json["name"] == "a"
    assert [row["name"] for row in kimchi("template", "export", "a", "b").json] == ["a", "b"]
    kimchi("template", "export", status=2)
    kimchi("template", "export", "blah", status=3)


def test_importing_checks_each_and_keeps_keys_it_does_not_know(kimchi, write, tmp_path):
    write("taken")
    (tmp_path / "many.json").write_text(
        '[{"name": "new", "site": 1}, {"name": "taken"}, {"name": "bad", "memory": 1}, 5]'
    )
    done = kimchi("template", "import", tmp_path / "many.json", status=7)
    assert "unknown key 'site' is kept" in done.err
    assert f"{tmp_path}/many.json, entry 3" in done.err
    assert kimchi("template", "list", "-o", "name").out == "new\ntaken\n"
    assert kimchi("template", "show", "new", "--stored").json["site"] == 1


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b'{"name": "a", "name": "b"}', b"[" * 100_000, b'{"name": "a", "x": NaN}', b'"text"',
     b'{"name": "a", "memory": ' + b"9" * 5000 + b"}", b'{"name": "a", "memory": 2048.0}'],
    ids=["empty", "torn", "no-utf8", "twice", "deep", "nan", "text", "huge-number", "float"],
)  # fmt: skip
def test_a_strangers_file_is_refused_in_one_line(kimchi, tmp_path, content):
    (tmp_path / "strange.json").write_bytes(content)
    done = kimchi("template", "import", tmp_path / "strange.json", status=4)
    assert "strange.json" in done.err and len(done.err.splitlines()) <= 2
    assert kimchi("template", "list", "-o", "json").json == []


def test_a_dry_run_of_an_import_says_what_would_come_of_each(kimchi, write, tmp_path):
    write("a")
    (tmp_path / "both.json").write_text('[{"name": "a"}, {"name": "b"}]')
    run = kimchi("template", "import", tmp_path / "both.json", "--dry-run", status=7)
    assert "'a' already exists" in run.err and "'b' would be imported" in run.err
    run = kimchi("template", "import", tmp_path / "both.json", "--dry-run", "--if-exists", "suffix", status=0)
    assert "'a-2' would be imported" in run.err


def test_that_there_is_nothing_to_import_is_said(kimchi, tmp_path):
    assert "there is no template in" in kimchi("template", "import", tmp_path, status=0).err
