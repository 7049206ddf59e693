"""Known distributions: listed, shown, added, hidden, checked, and made templates of."""

import json
import os

import pytest

from kimchictl.catalog.nouns import DISTROS
from lab.images import make_image
from lab.web import Served, WebServer

ENTRY = {"os_distro": "debian", "os_version": "12", "os_arch": "x86_64"}


@pytest.fixture
def vendor(tmp_path, monkeypatch):
    """The directory of a package; `vendor(file, entries)` writes into it."""
    monkeypatch.setenv("KIMCHI_DATA_DIR", str(tmp_path / "vendor"))
    directory = tmp_path / "vendor/distros"
    directory.mkdir(parents=True)
    return lambda file, content: (directory / file).write_text(json.dumps(content))


@pytest.fixture
def server(tmp_path):
    """Serves /good.iso, a Debian 12."""
    with WebServer() as running:
        running.files["/good.iso"] = Served(make_image(tmp_path / "g.iso", "Debian 12.5.0 amd64 n").read_bytes())
        yield running


def entry(name, cdrom="https://host.example/a.iso", **values):
    return {"name": name, **ENTRY, "cdrom": cdrom, **values}


def names(kimchi, *words):
    return kimchi("distro", "list", "-o", "name", *words, status=0).out.splitlines()


def test_a_file_with_a_list_of_entries_is_read(kimchi, vendor):
    vendor("vendor.json", [entry("Zeta 1"), entry("Alpha 2")])
    rows = kimchi("distro", "list", "-o", "json", status=0).json
    assert [row["name"] for row in rows] == ["Alpha 2", "Zeta 1"]
    for row in rows:
        assert row["origin"] == "package"
        assert {"name", "os_distro", "os_version", "os_arch", "cdrom", "origin"} <= set(row)


def test_one_that_is_not_there_is_told_by_name(kimchi, vendor):
    assert "'No Such'" in kimchi("distro", "show", "No Such", status=3).err


def test_what_this_host_does_not_run_is_listed_only_when_asked_for(kimchi, vendor, monkeypatch):
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "host", "6", "1", "x86_64")))
    for arch in ("amd64", "i686", "ppc64", "s390x"):
        vendor(f"{arch}.json", entry(arch, os_arch=arch))
    assert names(kimchi) == ["amd64", "i686"]
    assert names(kimchi, "--all-arch") == ["amd64", "i686", "ppc64", "s390x"]


def test_an_entry_of_the_site_goes_over_a_packaged_one(kimchi, vendor):
    vendor("a.json", entry("debian"))
    kimchi("distro", "edit", "debian", "--memory", "3G", "--mirror", "http://near/a.iso", status=0)
    shown = kimchi("distro", "show", "debian", "-o", "json").json
    assert (shown["memory"], shown["mirrors"], shown["origin"]) == (3072, ["http://near/a.iso"], "site")
    assert "counts again" in kimchi("distro", "remove", "debian", status=0).err
    assert kimchi("distro", "show", "debian", "-o", "json").json["memory"] is None


def test_a_packaged_one_is_hidden_not_removed(kimchi, vendor):
    vendor("a.json", entry("debian"))
    assert "distro remove debian --hide" in kimchi("distro", "remove", "debian", status=4).err
    kimchi("distro", "remove", "debian", "--hide", status=0)
    assert names(kimchi) == []
    kimchi("template", "create", "--distro", "debian", status=3)
    kimchi("distro", "remove", "debian", status=0)
    assert names(kimchi) == ["debian"]


def test_a_new_one_is_a_file_that_parses_and_is_not_added_twice(kimchi, vendor):
    words = (
        "distro",
        "add",
        "Foo 1",
        "--url",
        "http://h/x.iso",
        "--os-distro",
        "foo",
        "--os-version",
        "1",
        "--no-check",
    )
    kimchi(*words, status=0)
    assert "'Foo 1' already exists" in kimchi(*words, status=4).err
    with open(os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "distros", "Foo 1.json")) as file:
        stored = json.load(file)
    assert DISTROS.parse(stored, "Foo 1").cdrom == "http://h/x.iso"
    assert "made" not in stored


def test_a_new_one_is_looked_at_and_named(kimchi, vendor, server):
    kimchi("distro", "add", "mine", "--url", server.url("/good.iso"), status=0)
    shown = kimchi("distro", "show", "mine", "-o", "json").json
    assert (shown["os_distro"], shown["os_version"], shown["memory"]) == ("debian", "12.5.0", 2048)
    kimchi("distro", "add", "dead", "--url", server.url("/gone.iso"), status=1)
    assert names(kimchi) == ["mine"]


@pytest.mark.parametrize(
    "words", [("--memory", "1"), ("--checksum", "md5:1"), ("--mirror", "/local"), ("--url", "foo")]
)
def test_what_breaks_a_rule_is_refused(kimchi, vendor, words):
    vendor("a.json", entry("debian"))
    kimchi("distro", "edit", "debian", *words, status=4)
    assert not os.path.exists(os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "distros", "debian.json"))


def test_checking_asks_every_server_and_fails_when_one_does(kimchi, vendor, server):
    vendor("a.json", [entry("good", server.url("/good.iso")), entry("dead", server.url("/gone.iso"))])
    rows = kimchi("distro", "check", "-o", "json", status=7).json
    assert [(row["name"], row["status"]) for row in rows] == [("dead", "fail"), ("good", "ok")]
    kimchi("distro", "check", "good", status=0)
    kimchi("distro", "check", "nosuch", status=3)


def test_a_template_of_a_distro_is_the_entry_under_another_name(kimchi, vendor, server):
    given = entry("deb", server.url("/good.iso"), mirrors=["http://m/a.iso"], checksum="sha256:" + "0" * 64)
    vendor("a.json", given)
    kimchi("template", "create", "my", "--distro", "deb", status=0)
    stored = kimchi("template", "show", "my", "--stored").json
    assert {key: stored[key] for key in given} == {**given, "name": "my"}
    assert stored["made"]["image"]["volume_id"] == "Debian 12.5.0 amd64 n"


def test_several_distros_at_once_are_several_templates(kimchi, vendor, server):
    vendor("a.json", [entry("one", server.url("/good.iso")), entry("two", server.url("/good.iso"), os_version="13")])
    done = kimchi("template", "create", "--distro", "one", "--distro", "two", "--distro", "no", "-o", "name", status=7)
    assert done.out == "debian-12\ndebian-13\n"
    assert "not what the entry claims" in done.err


def test_the_first_mirror_that_answers_will_do_and_the_link_is_kept(kimchi, vendor, server):
    dead, alive = server.url("/gone.iso"), server.url("/good.iso")
    vendor("a.json", entry("deb", dead, mirrors=[alive]))
    kimchi("template", "create", "--distro", "deb", status=0)
    assert kimchi("template", "show", "debian-12", "-o", "json").json["cdrom"] == dead


def test_a_template_of_a_url_keeps_it_and_a_dead_one_makes_none(kimchi, server):
    url = server.url("/good.iso")
    kimchi("template", "create", "--cdrom", url, status=0)
    assert kimchi("template", "show", "debian-12", "-o", "json").json["cdrom"] == url
    assert "404" in kimchi("template", "create", "--cdrom", server.url("/gone.iso"), status=1).err
    assert kimchi("template", "list", "-o", "name").out == "debian-12\n"


def test_listing_asks_no_server_and_checking_does(kimchi, server):
    kimchi("template", "create", "--cdrom", server.url("/good.iso"), status=0)
    asked = len(server.requests)
    assert kimchi("template", "list", "-o", "json").json[0]["problems"] == []
    assert len(server.requests) == asked
    del server.files["/good.iso"]
    done = kimchi("-c", "test:///nowhere.xml", "template", "check", "-o", "json", status=7)
    assert [row["status"] for row in done.json] == ["fail"]
