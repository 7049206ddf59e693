"""Session: put, rename, delete under the lock; nothing lost, nothing written over by mistake."""

import os

import pytest

from kimchictl.errors import Damaged, Exists, Failed, InUse, Invalid, NotFound


def test_a_document_is_stored_under_its_name(store, put, own):
    stored = put("a/b", {"memory": 1, "x": "\u012b"})
    assert own.files() == ["a%2Fb.json"]
    assert own.read("a%2Fb.json") == {"name": "a/b", "memory": 1, "x": "\u012b"}
    assert store.get("a/b") == stored


def test_the_name_given_counts_and_keeps_its_place(put, own):
    put("b", {"memory": 1, "name": "a"})
    assert list(own.read("b.json").items()) == [("memory", 1), ("name", "b")]


def test_a_new_one_is_refused_where_there_is_one_in_any_layer(put, site):
    site.write("a.json", {"name": "a"})
    with pytest.raises(Exists, match="template 'a' already exists"):
        put("a", {}, expect=None)


def test_changing_a_lower_document_makes_a_copy_of_ones_own(store, put, site, own):
    site.write("a.json", {"name": "a", "memory": 1})
    put("a", {"memory": 2})
    assert (site.read("a.json")["memory"], own.read("a.json")["memory"]) == (1, 2)
    assert store.get("a").hides.data["memory"] == 1


def test_a_change_of_what_was_changed_meanwhile_is_refused(store, put, own):
    before = put("a", {"memory": 1})
    put("a", {"memory": 2})
    with pytest.raises(InUse, match="template 'a' was changed by somebody else meanwhile"):
        put("a", {"memory": 3}, expect=before)
    assert own.read("a.json")["memory"] == 2
    put("a", {"memory": 3}, expect=store.get("a"))


def test_a_change_of_what_was_deleted_meanwhile_is_refused(store, put):
    before = put("a", {})
    with store.session() as session:
        session.delete("a")
        with pytest.raises(NotFound, match="was deleted meanwhile"):
            session.put("a", {}, expect=before)


def test_a_hand_edit_during_the_session_is_not_written_over(store, put, own):
    put("a", {"memory": 1})
    with store.session() as session:
        own.write("a.json", {"name": "a", "memory": 7})
        for change in (lambda: session.put("a", {}), lambda: session.delete("a"), lambda: session.rename("a", "b")):
            with pytest.raises(InUse):
                change()
    assert own.read("a.json")["memory"] == 7


def test_what_cannot_be_stored_is_refused_and_changes_nothing(put, own):
    put("a", {"memory": 1})
    for name, data in (("a", {"x": float("inf")}), ("a", {"x": "\ud800"}), ("b" * 201, {}), (" ", {})):
        with pytest.raises(Invalid):
            put(name, data)
    assert (own.files(), own.read("a.json")["memory"]) == (["a.json"], 1)


def test_a_damaged_file_is_not_written_over(put, own):
    own.write("a.json", b"{ my precious")
    with pytest.raises(Damaged, match=r"template 'a' would replace a damaged file: .*a\.json is not JSON"):
        put("a", {})
    assert os.path.getsize(own.file("a.json")) == 13


def test_a_damaged_file_is_not_deleted_unless_that_is_meant(store, own):
    own.write("a.json", b"{")
    with pytest.raises(Damaged), store.session() as session:
        session.delete("a")
    assert own.files() == ["a.json"]
    with store.session() as session:
        assert session.delete("a", damaged=True) is None
    assert own.files() == []


def test_a_damaged_file_over_a_lower_document_is_deleted_and_uncovers_it(store, own, site):
    site.write("a.json", {"name": "a", "memory": 1})
    own.write("a.json", b"{")
    with store.session() as session:
        assert session.delete("a", damaged=True).data["memory"] == 1
    assert own.files() == [] and site.files() == ["a.json"]


def test_of_a_damaged_entry_in_a_list_the_whole_list_is_not_deleted(store, own):
    own.write("many.json", [{"name": "a"}, {"name": ""}])
    own.write("b.json", [{"name": "a"}])
    with pytest.raises(NotFound), store.session() as session:
        session.delete("many", damaged=True)
    assert own.files() == ["b.json", "many.json"]


def test_a_file_that_appears_during_the_session_is_not_written_over(store, put, own):
    with store.session() as session:
        own.write("a.json", {"name": "hand made"})
        session.put("a", {})
    assert (own.read("a.json")["name"], list(store.read().documents)) == ("hand made", ["a", "hand made"])


def test_after_the_session_nothing_can_be_changed(store):
    with store.session() as session:
        pass
    with pytest.raises(RuntimeError, match="over"):
        session.put("a", {})


# -- delete


def test_deleting_an_override_uncovers_the_lower_one_and_says_so(store, put, site):
    site.write("a.json", {"name": "a", "memory": 1})
    put("a", {"memory": 2})
    with store.session() as session:
        assert session.delete("a").origin == "site"
    assert store.get("a").data["memory"] == 1


def test_deleting_ones_own_leaves_nothing(store, put, own):
    put("a", {})
    with store.session() as session:
        assert session.delete("a") is None
    assert own.files() == []


def test_a_lower_document_is_neither_deleted_nor_renamed(store, site):
    site.write("a.json", {"name": "a"})
    with store.session() as session:
        with pytest.raises(Invalid, match=f"template 'a' belongs to {site.path} and cannot be deleted"):
            session.delete("a")
        with pytest.raises(Invalid, match="cannot be renamed"):
            session.rename("a", "b")


def test_what_is_not_there_cannot_be_deleted_or_renamed(store):
    with store.session() as session:
        with pytest.raises(NotFound, match="no template 'blah'"):
            session.delete("blah")
        with pytest.raises(NotFound):
            session.rename("blah", "b")


def test_deleting_the_first_of_two_with_one_name_brings_the_second_to_light(store, own):
    own.write("a.json", {"name": "x", "memory": 1})
    own.write("b.json", {"name": "x", "memory": 2})
    with store.session() as session:
        assert session.delete("x").data["memory"] == 2
        assert session.delete("x") is None


# -- rename


def test_a_renamed_document_is_the_old_one_under_the_new_name(store, put, own):
    put("a", {"memory": 1})
    with store.session() as session:
        renamed = session.rename("a", "b")
        assert list(session.listing.documents) == ["b"]
    assert (own.files(), own.read("b.json")) == (["b.json"], {"name": "b", "memory": 1})
    assert store.get("b") == renamed


def test_a_rename_can_bring_new_content(store, put, own):
    before = put("a", {"memory": 1})
    with store.session() as session:
        session.rename("a", "b", {"memory": 2}, expect=before)
    assert own.read("b.json") == {"name": "b", "memory": 2}


def test_a_rename_to_a_name_that_is_taken_is_refused(store, put, site):
    site.write("b.json", {"name": "b"})
    put("a", {})
    with pytest.raises(Exists, match="template 'b' already exists"), store.session() as session:
        session.rename("a", "b")
    assert list(store.read().documents) == ["a", "b"]


def test_renaming_an_override_uncovers_the_lower_one(store, put, site):
    site.write("a.json", {"name": "a"})
    put("a", {})
    with store.session() as session:
        assert session.rename("a", "b").hides is None
        assert (session.get("a").origin, session.get("b").origin) == ("site", "user")
    assert store.get("b").hides is None


def test_a_rename_onto_a_damaged_file_is_refused(store, put, own):
    put("a", {})
    own.write("b.json", b"{")
    with pytest.raises(Damaged), store.session() as session:
        session.rename("a", "b")
    assert own.read("a.json")["name"] == "a"


# -- files that are called otherwise


def test_a_misnamed_file_is_changed_in_its_place(put, own):
    own.write("10-mine.json", {"name": "a"})
    put("a", {"memory": 1})
    assert (own.files(), own.read("10-mine.json")["memory"]) == (["10-mine.json"], 1)


def test_a_file_left_by_an_interrupted_rename_gives_way_to_the_name(store, put, own):
    own.write("a.json", {"name": "b"})
    put("a", {"memory": 1})
    assert own.files() == ["a.json", "b.json"]
    assert [document.data["name"] for document in store.read().documents.values()] == ["a", "b"]


def test_two_files_that_bear_each_others_names_lose_nothing(store, put, own):
    own.write("a.json", {"name": "b"})
    own.write("b.json", {"name": "c"})
    own.write("c.json", {"name": "d"})
    own.write("d.json", {"name": "e", "memory": 5})
    put("a", {"memory": 1})
    assert list(store.read().documents) == ["a", "b", "c", "d", "e"]
    assert own.read("a~2.json") == {"name": "a", "memory": 1}


def test_renaming_back_an_interrupted_rename(store, own):
    own.write("a.json", {"name": "b"})
    with store.session() as session:
        session.rename("b", "a")
    assert (own.files(), own.read("a.json")) == (["a.json"], {"name": "a"})


# -- lists


@pytest.fixture
def listed(own):
    own.write("many.json", [{"name": "a", "memory": 1}, "odd", {"name": "b"}, {"name": "c"}])
    return own


def test_an_entry_of_a_list_is_changed_in_its_list_and_the_others_stay(put, listed):
    put("b", {"memory": 2})
    assert listed.read("many.json") == [{"name": "a", "memory": 1}, "odd", {"name": "b", "memory": 2}, {"name": "c"}]
    assert listed.files() == ["many.json"]


def test_an_entry_of_a_list_is_renamed_in_its_list(store, listed):
    with store.session() as session:
        session.rename("a", "z")
    assert listed.read("many.json")[0] == {"name": "z", "memory": 1}
    assert list(store.read().documents) == ["b", "c", "z"]


def test_an_entry_is_deleted_from_its_list_and_the_last_takes_the_file_along(store, own):
    own.write("two.json", [{"name": "a"}, {"name": "b"}])
    with store.session() as session:
        session.delete("a")
        assert own.read("two.json") == [{"name": "b"}]
        session.delete("b")
    assert own.files() == []


def test_an_entry_that_was_changed_meanwhile_is_not_written_over(store, put, listed):
    before = store.get("b")
    put("c", {"memory": 1})
    put("b", {"memory": 2}, expect=before)
    with pytest.raises(InUse):
        put("b", {"memory": 3}, expect=before)


def test_an_entry_of_a_lower_list_is_copied_into_a_file_of_ones_own(put, site, own):
    site.write("vendor.json", [{"name": "a"}, {"name": "b"}])
    put("b", {"memory": 1})
    assert (own.files(), len(site.read("vendor.json"))) == (["b.json"], 2)


# -- around


def test_what_killed_writers_left_is_swept_and_nothing_else(store, own):
    own.write(".tmp-17-abcdef", b"half")
    own.write(".tmpl", b"mine")
    with store.session():
        pass
    assert own.files() == [".tmpl"]


def test_a_directory_that_cannot_be_made_is_named(store, own):
    os.makedirs(os.path.dirname(os.path.dirname(own.path)), exist_ok=True)
    with open(os.path.dirname(own.path), "w"):
        pass
    with pytest.raises(Failed, match="cannot make the directory"), store.session():
        pass


def test_a_link_to_the_directory_is_followed(store, put, own, tmp_path):
    os.makedirs(tmp_path / "git")
    os.makedirs(os.path.dirname(own.path))
    os.symlink(tmp_path / "git", own.path)
    put("a", {})
    assert os.path.exists(tmp_path / "git" / "a.json")
    assert store.get("a")
