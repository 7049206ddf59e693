"""FileStore.read: layers, damaged files, and a listing that is one moment."""

import os
import stat
import subprocess
import sys
import threading
import time

import pytest

from kimchictl import locks
from kimchictl.errors import Damaged, Failed, Locked, NotFound
from kimchictl.store import FileStore, Layer, layers
from kimchictl.store.layers import is_fresh


def names(store):
    return list(store.read().documents)


def reasons(store):
    return [str(file) for file in store.read().damaged]


def test_missing_directories_hold_nothing_and_are_not_made(store, own):
    assert (names(store), reasons(store), os.path.exists(own.path)) == ([], [], False)


def test_the_name_key_counts_and_unknown_keys_stay(store, site):
    site.write("whatever.json", {"name": "b/\u012b", "future": [1, {"x": None}]})
    document = store.get("b/\u012b")
    assert (document.data, document.origin) == ({"name": "b/\u012b", "future": [1, {"x": None}]}, "site")
    assert document.path == site.file("whatever.json")


def test_a_later_layer_overrides_and_knows_what_it_hides(store, package, site, own):
    for directory, memory in ((package, 1), (site, 2), (own, 3)):
        directory.write("a.json", {"name": "a", "memory": memory})
    document = store.get("a")
    assert (document.data["memory"], document.hides.origin, document.hides.hides.origin) == (3, "site", "package")


def test_the_names_are_sorted_across_layers(store, package, site, own):
    for directory, name in ((own, "b"), (site, "c"), (package, "a")):
        directory.write("x.json", {"name": name})
    assert names(store) == ["a", "b", "c"]


def test_a_file_may_hold_a_list_and_its_bad_entries_are_named(store, package):
    package.write("vendor.json", [{"name": "a"}, {"nome": "b"}, "c", {"name": "d"}, {"name": "a"}])
    path = package.file("vendor.json")
    assert names(store) == ["a", "d"]
    assert reasons(store) == [
        f"{path}, entry 2, has no name: the key 'name' is missing, empty or not a text",
        f"{path}, entry 3, is not a JSON object",
        f"{path}, entry 5, has the name 'a', which {path} has already, and is left out",
    ]


def test_of_two_files_with_one_name_the_first_counts_and_the_other_is_named(store, site):
    site.write("a.json", {"name": "x", "memory": 1})
    site.write("b.json", {"name": "x", "memory": 2})
    assert store.get("x").data["memory"] == 1
    assert reasons(store) == [
        f"{site.file('b.json')} has the name 'x', which {site.file('a.json')} has already, and is left out"
    ]


def test_other_files_are_not_looked_at(store, site):
    for file in (".a.json", "a.json~", "a.json.dpkg-new", "README", "#a.json#", ".a.json.swp"):
        site.write(file, b"{")
    os.makedirs(site.file("old"))
    assert (names(store), reasons(store)) == ([], [])


DAMAGE = [b"", b"{", b"[1", b"\xff", b'{"name": "x", "name": "y"}', b"[" * 9999, b" " * (2 << 20)]


@pytest.mark.parametrize("content", DAMAGE)
def test_a_damaged_file_is_named_and_hides_no_other(store, site, content):
    site.write("a.json", {"name": "a"})
    site.write("b.json", content)
    site.write("c.json", {"name": "c"})
    assert names(store) == ["a", "c"]
    assert [file.path for file in store.read().damaged] == [site.file("b.json")]


def test_a_name_that_cannot_be_a_file_is_damage(store, site):
    for number, name in enumerate(["", "  ", None, 7, ["a"], "x" * 201]):
        site.write(f"{number}.json", {"name": name})
    assert (names(store), len(reasons(store))) == ([], 6)


def test_whoever_asks_for_a_damaged_one_learns_why(store, site):
    site.write("a%2Fb.json", b"{")
    with pytest.raises(Damaged, match=r"template 'a/b' cannot be used: .*/a%2Fb\.json is not JSON"):
        store.get("a/b")


def test_whoever_mistypes_is_helped(store, site):
    site.write("debian-12.json", {"name": "debian-12"})
    with pytest.raises(NotFound, match="no template 'debain-12'") as caught:
        store.get("debain-12")
    assert caught.value.hint == "did you mean 'debian-12'?"
    with pytest.raises(NotFound) as caught:
        store.get("web")
    assert caught.value.hint == "kimchictl template list shows those there are"


def test_what_is_no_regular_file_is_named_and_blocks_nobody(store, site, tmp_path):
    site.write("a.json", {"name": "a"})
    os.mkfifo(site.file("fifo.json"))
    os.mkdir(site.file("dir.json"))
    os.symlink("/dev/zero", site.file("zero.json"))
    os.symlink("nowhere", site.file("gone.json"))
    assert names(store) == ["a"]
    assert {file.path.rsplit("/", 1)[1]: file.reason for file in store.read().damaged} == {
        "dir.json": "is not a regular file",
        "fifo.json": "is not a regular file",
        "gone.json": "is a link to nothing",
        "zero.json": "is not a regular file",
    }


def test_a_link_to_a_file_is_read(store, site, own):
    site.write("a.txt", {"name": "a"})
    os.makedirs(own.path)
    os.symlink(site.file("a.txt"), own.file("a.json"))
    assert store.get("a").origin == "user"


def test_a_file_name_that_is_not_utf_8_does_not_matter(store, site):
    site.write("a.json", {"name": "a"})
    os.rename(site.file("a.json"), os.fsencode(site.path) + b"/\xff.json")
    assert os.path.exists(store.get("a").path)


def test_a_file_in_the_place_of_a_layer_is_named(store, package, site):
    os.makedirs(os.path.dirname(site.path))
    with open(site.path, "w"):
        pass
    package.write("a.json", {"name": "a"})
    assert (names(store), reasons(store)) == (["a"], [f"{site.path} cannot be read: Not a directory"])


def test_a_directory_given_twice_overrides_nothing(site):
    site.write("a.json", {"name": "a"})
    store = FileStore("templates", [Layer(site.path, "package", False), Layer(site.path + "/", "site", True)])
    assert (store.get("a").origin, store.get("a").hides) == ("site", None)


NOBODY = """
import importlib, os, pkgutil, sys
from kimchictl import files, locks, store
for package in (locks, store):  # all of it before this user may no longer read the checkout
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
from kimchictl.errors import Failed
from kimchictl.store import FileStore, Layer
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
"""

FORBIDDEN = """
listing = FileStore("templates", [Layer(path, "site", False) for path in sys.argv[1:]]).read()
print(list(listing.documents), *listing.damaged, sep="\\n")
"""


@pytest.fixture
def public(tmp_path_factory):
    """A directory that everybody can reach."""
    path = tmp_path_factory.mktemp("public")
    for part in (path, *path.parents[:3]) if os.geteuid() == 0 else ():
        os.chmod(part, os.stat(part).st_mode | 0o755)  # noqa: S103
    return path


def test_what_this_user_may_not_read_is_named_and_hides_no_other(public):
    for directory in ("one", "two"):
        os.mkdir(public / directory)
        (public / directory / f"{directory}.json").write_text(f'{{"name": "{directory}"}}')
    (public / "one" / "secret.json").write_text("{}")
    os.chmod(public / "one" / "secret.json", 0)
    os.chmod(public / "two", 0)
    arguments = [sys.executable, "-c", NOBODY + FORBIDDEN, public / "one", public / "two"]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=30).stdout.splitlines()
    os.chmod(public / "two", 0o755)  # noqa: S103
    why = "may not be read by this user"
    assert said == ["['one']", f"{public}/one/secret.json {why}", f"{public}/two {why}"]


UNLISTED = """
try:
    with FileStore("templates", [Layer(sys.argv[1], "site", True)]).session() as session:
        session.put("a", {})
except Failed as error:
    print(error)
"""


def test_nothing_is_written_where_one_cannot_tell_what_is_there(public):
    os.mkdir(public / "unlisted")
    os.chmod(public / "unlisted", 0o333)  # noqa: S103
    arguments = [sys.executable, "-c", NOBODY + UNLISTED, public / "unlisted"]
    said = subprocess.run(arguments, capture_output=True, text=True, timeout=30).stdout
    os.chmod(public / "unlisted", 0o755)  # noqa: S103
    assert said == f"{public}/unlisted may not be read by this user\n"


# -- one moment


def test_a_held_lock_makes_no_reader_wait(store, put, own):
    put("a", {})
    time.sleep(0.03)  # the clock of the stamps moves on
    with locks.Lock(own.file(".lock"), "it"):
        started = time.monotonic()
        assert names(store) == ["a"]
        assert time.monotonic() - started < store.lock_timeout


def test_a_thread_in_a_session_can_list_as_well(store):
    with store.session() as session:
        session.put("a", {})
        assert names(store) == ["a"]


def test_a_stamp_counts_only_when_its_clock_has_moved_on():
    clock = 1_700_000_000_123_456_789
    assert is_fresh((1, 2, 0, clock), clock)
    assert not is_fresh((1, 2, 0, clock - 1), clock)
    assert is_fresh((1, 2, 0, clock + 4_000_000), clock)  # multigrain stamps of Linux 6.13 run ahead of the tick
    assert not is_fresh((1, 2, 0, clock + 10**12), clock)  # of another clock: a change now would differ
    assert not is_fresh(None, clock)


def test_a_stamp_of_whole_seconds_counts_two_seconds_later():
    second = 1_700_000_000 * 10**9
    assert is_fresh((1, 2, second, second), second + 1_900_000_000)
    assert not is_fresh((1, 2, second, second), second + 2_100_000_000)


def test_a_change_while_it_reads_is_not_half_seen(store, own, monkeypatch):
    """Between two files, somebody renames one that was not read yet to a name that was passed already."""
    for name in ("b", "c"):
        own.write(f"{name}.json", {"name": name})
    read_bytes, done = layers.read_bytes, []

    def change(file, directory=None):
        if file == b"c.json" and not done:
            done.append(os.rename(own.file("c.json"), own.file("a.json")))
        return read_bytes(file, directory)

    monkeypatch.setattr(layers, "read_bytes", change)
    assert (names(store), done) == (["b", "c"], [None])


def test_a_change_in_another_layer_while_it_reads_is_not_half_seen(store, package, own, monkeypatch):
    package.write("a.json", {"name": "a", "step": 1})
    own.write("a.json", {"name": "b", "step": 1})
    read_bytes, done = layers.read_bytes, []

    def change(file, directory=None):
        raw = read_bytes(file, directory)
        if not done:
            done.append(1)
            for directory in (package, own):
                directory.write("new", {"name": "a" if directory is package else "b", "step": 2})
                os.rename(directory.file("new"), directory.file("a.json"))
        return raw

    monkeypatch.setattr(layers, "read_bytes", change)
    assert [document.data["step"] for document in store.read().documents.values()] == [2, 2]


def test_a_file_that_is_being_written_in_place_is_read_again(store, own):
    own.write("a.json", b'{"name": "a", ')
    finish = threading.Timer(0.005, own.write, ("a.json", {"name": "a"}))
    finish.start()
    assert (names(store), reasons(store)) == (["a"], [])
    finish.join()


def test_when_writers_never_pause_readers_share_the_lock(store, put, monkeypatch):
    put("a", {})
    monkeypatch.setattr(layers, "is_fresh", lambda stamp, clock: True)
    with pytest.raises(Locked, match="changed by others all the time"):
        FileStore("templates", store.layers, 0.1).read()
    store_of_one = FileStore("templates", store.layers[-1:], 0.1)
    assert names(store_of_one) == ["a"]


def test_a_store_without_a_place_of_its_own_is_only_read(package):
    package.write("a.json", {"name": "a"})
    store = FileStore("templates", [Layer(package.path, "package", False)])
    assert names(store) == ["a"]
    with pytest.raises(Failed, match="no place where templates can be written"), store.session():
        pass


def test_only_the_last_layer_can_be_written(own, site):
    with pytest.raises(ValueError, match="only the last layer"):
        FileStore("templates", [Layer(own.path, "user", True), Layer(site.path, "site", True)])


def test_the_lock_is_private(put, own):
    put("a", {})
    assert stat.S_IMODE(os.stat(own.file(".lock")).st_mode) == 0o600
