"""The image links of an installed osinfo-db as known distributions."""

from __future__ import annotations

from pathlib import Path

import pytest

SYSTEMS = """<libosinfo version="0.0.1">
<os id="http://example/x/1">
  <short-id>x1</short-id><name>Example One</name><version>1</version><distro>archlinux</distro>
  <media arch="x86_64"><url>https://h/x1.iso</url><iso><volume-id>X</volume-id></iso></media>
  <media arch="x86_64"><variant id="server"/><url>https://h/x1-server.iso</url></media>
  <media arch="x86_64"><variant id="server"/><url>https://h/x1-server-too.iso</url></media>
  <media arch="aarch64"><url>https://h/x1-arm.iso</url></media>
  <media arch="x86_64"><url>gopher://h/x</url></media>
  <media arch="x86_64"><url>https://user:secret@h/x</url></media>
  <resources arch="all"><recommended><ram>2147483648</ram><storage>10737418241</storage></recommended></resources>
</os>
</libosinfo>"""


@pytest.fixture
def osinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of one system, and no other."""
    (tmp_path / "osinfo/os/example").mkdir(parents=True)
    (tmp_path / "osinfo/os/example/x-1.xml").write_text(SYSTEMS)
    (tmp_path / "osinfo/os/example/damaged.xml").write_text("<libosinfo><os")
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("OSINFO_SYSTEM_DIR", str(tmp_path / "osinfo"))
    monkeypatch.setenv("OSINFO_LOCAL_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("OSINFO_USER_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("KIMCHI_DATA_DIR", str(tmp_path / "none"))


def test_all_adds_them_marked_and_without_all_they_are_not_there(kimchi, osinfo):  # type: ignore[no-untyped-def]
    assert kimchi("distro", "list", "-o", "json").json == []
    rows = kimchi("distro", "list", "--all", "--all-arch", "-o", "json").json
    assert [row["name"] for row in rows] == ["x1", "x1-aarch64", "x1-server", "x1-server-2"]
    assert {row["origin"] for row in rows} == {"osinfo-db"}
    first = rows[0]
    assert (first["os_distro"], first["os_version"], first["cdrom"]) == ("arch", "1", "https://h/x1.iso")
    assert (first["memory"], first["disks"][0]["size"]) == (2048, 11)


def test_what_is_listed_can_be_shown_and_made_a_template(kimchi, osinfo):  # type: ignore[no-untyped-def]
    assert kimchi("distro", "show", "x1-server", "-o", "json", status=0).json["origin"] == "osinfo-db"
    kimchi("template", "create", "mine", "--distro", "x1-server", "--no-check", status=0)
    assert kimchi("template", "show", "mine", "--stored", "-o", "json").json["cdrom"] == "https://h/x1-server.iso"
    kimchi("distro", "show", "x2", status=3)


def test_a_link_that_an_entry_has_already_is_not_added(kimchi, osinfo):  # type: ignore[no-untyped-def]
    words = ("--url", "https://h/x1.iso", "--os-distro", "arch", "--os-version", "1", "--no-check")
    kimchi("distro", "add", "house", *words, status=0)
    names = kimchi("distro", "list", "--all", "-o", "name").out.split()
    assert "house" in names and "x1" not in names
