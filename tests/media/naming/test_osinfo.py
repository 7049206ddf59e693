"""osinfo-db is read as libosinfo reads it, and its cache is believed only where that is safe."""

import json
import os

import pytest

from kimchictl.media.naming import osinfo_cache
from kimchictl.media.naming.osinfo import Database
from kimchictl.media.naming.osinfo_compile import compile_files
from kimchictl.media.naming.osinfo_files import Unparsable, directories, find_files, parse_document
from kimchictl.media.records import Media
from lab import osinfo_tree
from lab.osinfo_tree import medium, system


@pytest.fixture
def trees(tmp_path):
    return tuple(str(tmp_path / name) for name in ("system", "local", "user"))


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "system"


def matched(trees, **labels):
    size = labels.pop("size", 0)
    media = Media(size=size, volume_size=size, **{f"{name}_id": text for name, text in labels.items()})
    return [entry.system.short_id for entry in Database(compile_files(find_files(trees))).matches(media)]


def one(tree, *media, **keys):
    osinfo_tree.write(tree, "example.org/foo-1.xml", system("foo1", *media, **keys))


def test_every_label_that_an_entry_gives_must_match(trees, tree):
    one(tree, medium(volume="FOO 1", system="LINUX", publisher="Foo Inc", application="INSTALLER"))
    labels = {"volume": "FOO 1", "system": "LINUX", "publisher": "Foo Inc.", "application": "INSTALLER 3"}
    assert matched(trees, **labels) == ["foo1"]
    for name in labels:
        assert matched(trees, **{**labels, name: "other"}) == []


def test_a_label_that_an_entry_does_not_give_may_be_anything(trees, tree):
    one(tree, medium(application="INSTALLER"))
    assert matched(trees, volume="whatever", publisher="x", application="INSTALLER") == ["foo1"]


@pytest.mark.parametrize("pattern", ["LINUX", ".*", "(LINUX)?"])
def test_a_pattern_against_an_empty_label_fails_even_if_it_would_match(trees, tree, pattern):
    one(tree, medium(volume="FOO", system=pattern))
    assert matched(trees, volume="FOO") == []


def test_a_volume_size_is_compared_in_bytes(trees, tree):
    one(tree, medium(volume="FOO", size="4096"))
    assert matched(trees, volume="FOO", size=4096) == ["foo1"]
    assert matched(trees, volume="FOO", size=4097) == []


@pytest.mark.parametrize(
    ("pattern", "label", "expected"),
    [
        ("FOO", "FOO 1 x86_64", True),  # the end is open
        ("FOO", "MY FOO", False),  # the start is not
        ("^FOO$", "FOO", True),
        ("(FOO|BAR)_1", "BAR_1", True),
        ("(FOO|BAR)?_1", "_1", True),
        ("FOO|BAR", "BAR", True),
        (r"FOO \d+\.\d+", "FOO 1.5", True),
        ("F+OO", "FFFOO", True),
        ("FO*", "F", True),
        ("FOO.*X", "FOO 1 X", True),
        ("foo", "FOO", False),
        ("(?i)foo", "FOO", True),
        ("[FG]OO", "GOO", True),
        ("[FG]OO", "MY GOO", False),
        (r"FOO\.1", "FOO.1", True),
        (r"FOO\.1", "FOOx1", False),
    ],
)
def test_patterns_are_searched_at_the_start_of_the_label_only(trees, tree, pattern, label, expected):
    one(tree, medium(volume=pattern))
    assert bool(matched(trees, volume=label)) is expected


def test_a_pattern_that_is_none_names_nothing_and_hides_nothing(trees, tree):
    one(tree, medium(volume="FOO("), medium(volume="FOO 1"))
    assert matched(trees, volume="FOO 1") == ["foo1"]


def test_rolling_entries_and_those_for_any_machine_count_only_if_no_other_does(trees, tree):
    osinfo_tree.write(tree, "a/rolling.xml", system("roll", medium(volume="FOO"), status="rolling"))
    osinfo_tree.write(tree, "a/any.xml", system("any", medium("all", volume="FOO")))
    osinfo_tree.write(tree, "a/exact.xml", system("exact", medium(volume="FOO")))
    osinfo_tree.write(tree, "a/sized.xml", system("sized", medium(volume="FOO", size="2048")))
    assert matched(trees, volume="FOO", size=2048) == ["sized", "exact", "any", "roll"]


def test_a_later_tree_replaces_the_file_of_the_same_path_and_adds_others(trees, tree, tmp_path):
    one(tree, medium(volume="OLD"))
    one(tmp_path / "user", medium(volume="NEW"))
    osinfo_tree.write(tmp_path / "local", "example.org/bar.xml", system("bar1", medium(volume="OLD")))
    assert matched(trees, volume="OLD") == ["bar1"]
    assert matched(trees, volume="NEW") == ["foo1"]


def test_a_directory_of_additions_adds_to_the_system_of_its_name(trees, tree):
    one(tree, medium(volume="FOO"))
    osinfo_tree.write(tree, "example.org/foo-1.d/more.xml", system("foo1", medium(volume="BAR")))
    assert matched(trees, volume="FOO") == matched(trees, volume="BAR") == ["foo1"]


def test_the_trees_are_those_that_libosinfo_reads():
    assert directories({"HOME": "/h"}) == ("/usr/share/osinfo", "/etc/osinfo", "/h/.config/osinfo")
    named = {"OSINFO_SYSTEM_DIR": "/s", "OSINFO_LOCAL_DIR": "/l", "OSINFO_USER_DIR": "/u"}
    assert directories(named) == ("/s", "/l", "/u")
    assert directories({"XDG_CONFIG_HOME": "/x"})[2] == "/x/osinfo"


def test_the_name_is_not_a_translation(trees, tree):
    one(tree, medium(volume="FOO"))
    entry = Database(compile_files(find_files(trees))).matches(Media(size=0, volume_id="FOO"))[0]
    assert entry.system.name == "The foo1"


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]><libosinfo>&a;</libosinfo>',
        '<!DOCTYPE libosinfo SYSTEM "file:///etc/passwd"><libosinfo/>',
        "<libosinfo>" + "<a>" * 100 + "</a>" * 100 + "</libosinfo>",
        "<libosinfo>" + "<a/>" * 200_000 + "</libosinfo>",
        "<libosinfo>",
        "",
        '<?xml version="1.0" encoding="nonsense"?><libosinfo/>',
    ],
)
def test_a_hostile_or_damaged_file_is_refused(text):
    with pytest.raises(Unparsable):
        parse_document(text.encode())


def test_a_damaged_file_is_named_and_costs_the_others_nothing(trees, tree):
    one(tree, medium(volume="FOO"))
    bad = tree / "os/example.org/bad.xml"
    bad.write_text("<libosinfo>")
    document = compile_files(find_files(trees))
    assert matched(trees, volume="FOO") == ["foo1"]
    assert [line.partition(":")[0] for line in document["skipped"]] == [str(bad)]


# -- the cache


@pytest.fixture
def cache(trees, tree, tmp_path):
    """A cache that was written, and how it is loaded again: (path, load, number of compilations so far)."""
    one(tree, medium(volume="FOO"))
    directory = tmp_path / "cache"
    compiled = []

    def load():
        return osinfo_cache.load_or_compile(find_files(trees), str(directory))

    original = osinfo_cache.compile_files
    osinfo_cache.compile_files = lambda files: (compiled.append(1), original(files))[1]
    load()
    yield directory / osinfo_cache.FILE_NAME, load, compiled
    osinfo_cache.compile_files = original


def test_it_is_compiled_once(cache):
    _, load, compiled = cache
    assert Database(load()).matches(Media(size=0, volume_id="FOO"))
    assert len(compiled) == 1


def test_a_changed_file_is_compiled_anew(cache, tree):
    _, load, compiled = cache
    one(tree, medium(volume="ANOTHER"))
    assert Database(load()).matches(Media(size=0, volume_id="ANOTHER"))
    assert len(compiled) == 2


def test_a_file_of_the_same_size_with_another_time_is_a_changed_one(cache, tree):
    _, load, compiled = cache
    os.utime(tree / "os/example.org/foo-1.xml", ns=(1, 1))
    load()
    assert len(compiled) == 2


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def others_may_write(path):
    path.chmod(0o666)


def a_link(path):
    path.rename(path.with_name("real"))
    path.symlink_to(path.with_name("real"))


def a_pipe(path):
    path.unlink()
    os.mkfifo(path)


def one_letter(path):
    path.write_bytes(path.read_bytes().replace(b"The foo1", b"The fou1"))


def another_shape(path):
    stamp = json.loads(path.read_bytes().split(b"\n")[0])
    osinfo_cache.write_cache(str(path), json.dumps(stamp, separators=(",", ":")), {"oses": [[{}]], "media": 3})


def numbers_out_of_range(path):
    stamp, _, content, _ = path.read_bytes().split(b"\n")
    document = json.loads(content)
    document["media"][0] = [10**9]
    osinfo_cache.write_cache(str(path), stamp.decode(), document)


def too_deep(path):
    stamp = path.read_bytes().split(b"\n")[0]
    deep = b"[" * 100_000
    path.write_bytes(b"%s\n%08x\n%s\n" % (stamp, osinfo_cache.zlib.crc32(deep), deep))


HARM = [half, others_may_write, a_link, a_pipe, one_letter, another_shape, numbers_out_of_range, too_deep]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_a_cache_that_cannot_be_believed_is_made_anew(cache, harm):
    path, load, compiled = cache
    harm(path)
    assert Database(load()).matches(Media(size=0, volume_id="FOO"))
    assert Database(load()).matches(Media(size=0, volume_id="FOO"))
    assert len(compiled) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_cache_of_somebody_else_is_not_read(cache):
    path, load, compiled = cache
    os.chown(path, 12345, 12345)
    load()
    load()
    assert len(compiled) == 2


def test_where_no_cache_can_be_written_there_is_none(trees, tree, tmp_path):
    one(tree, medium(volume="FOO"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    document = osinfo_cache.load_or_compile(find_files(trees), str(blocked / "cache"))
    assert Database(document).matches(Media(size=0, volume_id="FOO"))


def test_no_database_is_an_empty_one(trees):
    assert len(Database(compile_files(find_files(trees)))) == 0
    assert matched(trees, volume="FOO") == []
