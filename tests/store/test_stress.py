"""The store under stress, small; tests/lab/store_stress.py does it at any size."""

import os

import pytest

from kimchictl.store import FileStore, Layer
from lab import store_stress as stress

POINTS = ("locked", "opened", "written", "synced", "renamed", "directory-synced", "moved", "unlinked")


def test_four_processes_of_four_threads_lose_nothing_and_every_listing_is_one_moment(tmp_path):
    assert stress.crowd(str(tmp_path / "templates"), 4, 4, 25, 2) > 0


def test_kill_9_at_random_moments_loses_nothing_that_was_done(tmp_path):
    assert stress.kill_at_random(str(tmp_path / "templates"), 50) > 0


CHANGES = {
    "create": (lambda session: session.put("new", {"v": 2}), {"a": 1, "m": 1}, {"a": 1, "m": 1, "new": 2}),
    "replace": (lambda session: session.put("a", {"v": 2}), {"a": 1, "m": 1}, {"a": 2, "m": 1}),
    "delete": (lambda session: session.delete("a"), {"a": 1, "m": 1}, {"m": 1}),
    "rename": (lambda session: session.rename("a", "b", {"v": 2}), {"a": 1, "m": 1}, {"b": 2, "m": 1}),
    "give way": (lambda session: session.put("x", {"v": 2}), {"a": 1, "m": 1}, {"a": 1, "m": 1, "x": 2}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_kill_9_at_every_step_leaves_the_old_or_the_new(tmp_path, change):
    work, old, new = CHANGES[change]
    reached = set()
    for point in POINTS:
        for nth in (1, 2, 3):
            store = FileStore("templates", [Layer(str(tmp_path / f"{point}-{nth}"), "site", True)], 2.0)
            with store.session() as session:
                session.put("a", {"v": 1})
                session.put("m", {"v": 1})
            os.rename(f"{store.own.path}/m.json", f"{store.own.path}/x.json")  # "m" is in the file of "x"
            killed = stress.kill_at(point, nth, lambda store=store: change_in(store, work))
            reached |= {point} if killed else set()
            assert contents(store) in (old, new)
            with store.session():
                pass
            assert not [file for file in os.listdir(store.own.path) if file.startswith(".tmp-")]
            if not killed:  # nor will it come there once more
                break
    assert reached >= REACHED[change]


WRITE = {"locked", "opened", "written", "synced", "renamed", "directory-synced"}
REACHED = {
    "create": WRITE,
    "replace": WRITE,
    "delete": {"locked", "unlinked", "directory-synced"},
    "rename": WRITE | {"moved"},
    "give way": WRITE | {"moved"},
}


def change_in(store, work):
    with store.session() as session:
        work(session)


def contents(store):
    listing = store.read()
    assert listing.damaged == ()
    return {name: document.data["v"] for name, document in listing.documents.items()}


def test_fifty_processes_create_their_own_at_once(tmp_path):
    store = FileStore("templates", [Layer(str(tmp_path / "deep" / "templates"), "site", True)], 30.0)
    children = [stress.forked(lambda n=n: change_in(store, lambda s: s.put(f"t{n}", {}))) for n in range(50)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 50
    assert (len(store.read().documents), store.read().damaged) == (50, ())
