"""Templates of images behind URLs."""

import pytest

from lab.images import make_image
from lab.web import Served, WebServer

OF_DEBIAN = ("--os-distro", "debian", "--os-version", "12")


@pytest.fixture
def server(tmp_path):
    with WebServer() as running:
        for name, label in (("debian.iso", "Debian 12.5.0 amd64 n"), ("strange.iso", "ZZZ FOO")):
            running.files[f"/{name}"] = Served(make_image(tmp_path / name, label).read_bytes())
        yield running


def shown(kimchi, name):
    return kimchi("template", "show", name, "-o", "json", status=0).json


def test_the_image_names_its_system(kimchi, server):
    kimchi("template", "create", "t", "--cdrom", server.url("/debian.iso"), status=0)
    said = shown(kimchi, "t")
    assert (said["os_distro"], said["os_version"], said["cdrom"]) == ("debian", "12.5.0", server.url("/debian.iso"))


def test_a_system_that_nobody_knows_is_unknown_and_said(kimchi, server):
    said = kimchi("template", "create", "t", "--cdrom", server.url("/strange.iso"), status=0).err
    assert "is not known" in said and "--os-distro" in said
    assert shown(kimchi, "t")["os_distro"] == "unknown"


def test_options_say_what_the_sectors_do_not(kimchi, server):
    said = kimchi("template", "create", "t", "--cdrom", server.url("/strange.iso"), *OF_DEBIAN, status=0).err
    assert "is not known" not in said and shown(kimchi, "t")["os_distro"] == "debian"


def test_a_server_that_is_not_up_yet_is_not_asked(kimchi):
    url = "http://127.0.0.1:9/a.iso"
    kimchi("template", "create", "t", "--cdrom", url, status=1)
    kimchi("template", "create", "t", "--cdrom", url, "--no-check", *OF_DEBIAN, status=0)
    assert shown(kimchi, "t")["cdrom"] == url


def test_the_editor_is_opened_at_once(kimchi, server, tmp_path, monkeypatch):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i \'s/"memory": [0-9]*/"memory": 4321/\' "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    kimchi("template", "create", "t", "--cdrom", server.url("/debian.iso"), "--edit", status=0)
    assert shown(kimchi, "t")["memory"] == 4321


@pytest.mark.parametrize("verb", [("list",), ("list", "-o", "wide"), ("list", "-o", "json"), ("show", "t")])
def test_looking_at_templates_never_touches_the_network(kimchi, server, verb):
    kimchi("template", "create", "t", "--cdrom", server.url("/debian.iso"), status=0)
    before = len(server.requests), server.connections
    kimchi("template", *verb, status=0)
    assert (len(server.requests), server.connections) == before


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [("/nosuch.iso", 1, "404"), ("gopher://x/y", 4, "gopher"), ("foo", 4, "foo"), ("http://u:hunter2@h/a", 4, "netrc")],
)
def test_what_is_no_image_makes_no_template(kimchi, server, source, status, said):
    url = server.url(source) if source.startswith("/") else source
    err = kimchi("template", "create", "t", "--cdrom", url, status=status).err
    assert said in err and "hunter2" not in err
    assert kimchi("template", "list", "-o", "json", status=0).json == []
