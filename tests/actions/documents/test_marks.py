"""What the file system tells, and what it cannot tell in time."""

import os
import threading

import pytest

from kimchictl.actions.documents import marks
from kimchictl.actions.documents.marks import look_at, problems_of
from kimchictl.catalog.records import Disk, Template
from kimchictl.media.scan.mounts import Mounts


def template(path, **values):
    return Template("x", cdrom=str(path), **values)


def told(one):
    files = marks.files_of(one)
    return problems_of(files, look_at(files.paths))


def test_all_is_well_with_a_file_that_is_there(tmp_path):
    (tmp_path / "a.iso").touch()
    assert told(template(tmp_path / "a.iso")) == []


def test_what_is_missing_is_told_by_what_it_is_for(tmp_path):
    one = template(tmp_path / "a.iso", disks=(Disk(base="/gone/base"),), cloud_init="/gone/data")
    assert told(one) == [
        f"image {tmp_path}/a.iso is missing",
        "base image /gone/base is missing",
        "user data /gone/data is missing",
    ]


def test_a_directory_and_a_path_no_file_system_takes_are_told(tmp_path):
    assert told(template(tmp_path)) == [f"image {tmp_path} is a directory"]
    assert "cannot be looked at" in told(template("/" + "x" * 300))[0]


@pytest.mark.parametrize("cdrom", ["pool:a/b", "http://h/x", None])
def test_what_is_no_file_here_is_not_looked_at(cdrom):
    assert marks.files_of(Template("x", cdrom=cdrom)).paths == []


def test_a_file_that_was_replaced_since_is_told(tmp_path):
    (tmp_path / "a.iso").write_bytes(b"1234")
    made = {"by": "create", "image": {"size": 3, "mtime": None}}
    assert told(template(tmp_path / "a.iso", made=made)) == [f"image {tmp_path}/a.iso changed: 4 B, it was 3 B"]


@pytest.mark.parametrize("made", [{}, {"image": 5}, {"image": {"size": "x", "mtime": 7}}])
def test_provenance_that_somebody_scribbled_is_no_trouble(tmp_path, made):
    (tmp_path / "a.iso").write_bytes(b"1234")
    assert told(template(tmp_path / "a.iso", made=made)) == []


def test_a_file_system_that_hangs_is_unknown_and_holds_up_only_itself(tmp_path, monkeypatch):
    """The hanging server is played: no file system that hangs can be mounted without privileges."""
    line = "{} 1 0:{} / {} rw - {} src rw\n"
    table = line.format(1, 1, "/", "ext4") + line.format(2, 2, "/net", "nfs4")
    (tmp_path / "mountinfo").write_text(table)
    mounts = Mounts.read(str(tmp_path / "mountinfo"))
    monkeypatch.setattr(Mounts, "read", classmethod(lambda cls: mounts))
    (tmp_path / "a.iso").touch()
    release = threading.Event()
    real, asked = os.stat, []

    def stat(path, **keywords):
        asked.append(str(path))
        return real("/" if str(path).startswith("/net") and release.wait(60) else path, **keywords)

    monkeypatch.setattr(marks.os, "stat", stat)
    found = look_at(["/net/1.iso", str(tmp_path / "a.iso"), "/net/2.iso"], patience=0.05)
    monkeypatch.undo()
    release.set()
    assert found["/net/1.iso"] is found["/net/2.iso"] is None
    assert "/net/2.iso" not in asked
    assert found[str(tmp_path / "a.iso")].error == 0
    assert problems_of(marks.files_of(template("/net/1.iso")), found) == [
        "image /net/1.iso is unknown: its file system does not answer"
    ]
