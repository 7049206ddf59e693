import os
import shutil

import pytest

from lab.images import make_image


@pytest.fixture
def tree(tmp_path):
    """Two named images, one in a subdirectory."""
    os.makedirs(tmp_path / "top/isos")
    make_image(tmp_path / "top/ubuntu12.04.iso", "Ubuntu-Server 12.04 LTS amd64")
    make_image(tmp_path / "top/isos/sles10.iso", "SLES10")
    return tmp_path / "top"


def found(run):
    return [(os.path.basename(image["location"]), image["os_distro"], image["os_version"]) for image in run.json]


def test_a_deep_scan_finds_and_names_what_is_there(kimchi, tree):
    run = kimchi("iso", "scan", "--deep", tree, "-o", "json", status=0)
    assert found(run) == [("sles10.iso", "sles", "10"), ("ubuntu12.04.iso", "ubuntu", "12.04")]


def test_an_empty_directory_is_an_empty_result(kimchi, tmp_path):
    assert kimchi("iso", "scan", "--deep", tmp_path, "-o", "json", status=0).json == []


def test_probe_scan_and_list_print_the_same_object(kimchi, tree):
    path = str(tree / "ubuntu12.04.iso")
    scanned = kimchi("iso", "scan", "--deep", tree, "-o", "json").json[1]
    assert kimchi("iso", "probe", path, "-o", "json").json == [scanned]
    assert kimchi("iso", "list", "--filter", f"location={path}", "-o", "json").json == [scanned]


def test_a_link_is_probed_under_the_path_of_the_file(kimchi, tree):
    os.symlink("ubuntu12.04.iso", tree / "link.iso")
    os.symlink("link.iso", tree / "again.iso")
    run = kimchi("iso", "probe", tree / "link.iso", tree / "again.iso", "-o", "json", status=0)
    assert {image["location"] for image in run.json} == {str(tree / "ubuntu12.04.iso")}


def test_a_missing_place_beside_a_good_one_is_named_and_exit_7(kimchi, tree):
    run = kimchi("iso", "scan", "--deep", tree, tree / "gone", "-o", "json", status=7)
    assert len(run.json) == 2
    assert "gone" in run.error["message"]


def test_a_missing_place_alone_is_not_found(kimchi, tree):
    assert str(tree / "gone") in kimchi("iso", "scan", "--deep", tree / "gone", status=3).err


@pytest.mark.parametrize("words", [["--deep"], ["--deep", "--pool", "default", "/srv"], ["/srv"]])
def test_a_scan_of_nothing_or_of_both_is_wrong_usage(kimchi, words):
    kimchi("iso", "scan", *words, status=2)


def test_a_damaged_image_is_a_note_and_strict_makes_it_7(kimchi, tree):
    with open(tree / "ubuntu12.04.iso", "r+b") as file:
        file.truncate(34 * 1024)
    assert "ubuntu12.04.iso" in kimchi("iso", "scan", "--deep", tree, status=0).err
    kimchi("iso", "scan", "--deep", tree, "--strict", status=7)


def test_changed_tells_what_is_new_once_and_then_nothing(kimchi, tree):
    words = ("iso", "scan", "--deep", tree, "--changed", "--detailed-exitcode")
    assert [row["change"] for row in kimchi(*words, "-o", "json", status=10).json] == ["added", "added"]
    quiet = kimchi(*words, status=0)
    assert (quiet.out, quiet.err) == ("", "")
    os.unlink(tree / "isos/sles10.iso")
    kimchi("iso", "scan", "--deep", tree, status=0)  # a look in between takes nothing from cron
    assert [row["change"] for row in kimchi(*words, "-o", "json", status=10).json] == ["removed"]


def test_a_quiet_scan_says_nothing(kimchi, tree):
    run = kimchi("iso", "scan", "--deep", tree, "-q", status=0)
    assert (run.out, run.err) == ("", "")


def test_a_template_for_each_image_first_seen_and_none_again_for_a_deleted_one(kimchi, tree):
    words = ("iso", "scan", "--deep", tree, "--create-templates", "-q")
    templates = lambda: [row["name"] for row in kimchi("template", "list", "-o", "json").json]  # noqa: E731
    kimchi(*words, status=0)
    assert templates() == []  # changed in the last minute: they may still be copied
    for name in ("ubuntu12.04.iso", "isos/sles10.iso"):
        os.utime(tree / name, (1e9, 1e9))
    kimchi(*words, status=0)
    assert templates() == ["sles-10", "ubuntu-12.04-server"]
    kimchi("template", "delete", "sles-10", status=0)
    kimchi(*words, status=0)
    assert templates() == ["ubuntu-12.04-server"]


def test_a_vanished_image_that_a_template_names_is_said(kimchi, tree):
    kimchi("iso", "scan", "--deep", tree, "--changed", "-q")
    kimchi("template", "create", "old", "--cdrom", tree / "isos/sles10.iso", status=0)
    os.unlink(tree / "isos/sles10.iso")
    assert "still named by template old" in kimchi("iso", "scan", "--deep", tree, "--changed", status=0).err


def test_forget_drops_what_is_gone(kimchi, tree):
    kimchi("iso", "scan", "--deep", tree)
    shutil.rmtree(tree / "isos")
    kimchi("iso", "forget", tree / "isos", status=0)
    assert found(kimchi("iso", "list", "-o", "json")) == [("ubuntu12.04.iso", "ubuntu", "12.04")]
    kimchi("iso", "forget", tree / "isos", status=3)
    kimchi("iso", "forget", tree / "isos", "--missing-ok", status=0)


def test_names_come_from_standard_input_with_a_dash(kimchi, tree, monkeypatch, tmp_path):
    listing = tmp_path / "names"
    listing.write_text(f"{tree}/ubuntu12.04.iso\n{tree}/isos/sles10.iso\n")
    with open(listing) as file:
        monkeypatch.setattr("sys.stdin", file)
        assert len(kimchi("iso", "probe", "-", "-o", "json", status=0).json) == 2


def test_several_sources_go_on_after_a_failure(kimchi, tree):
    run = kimchi("iso", "probe", tree / "gone.iso", tree / "ubuntu12.04.iso", __file__, "-o", "json", status=7)
    assert len(run.json) == 1
    assert "gone.iso" in run.err
    assert "not an ISO" in run.err


@pytest.mark.parametrize("source", ["gopher://x/y", "pool:nothing", "", "pool:/x"])
def test_what_is_no_source_is_refused(kimchi, source):
    kimchi("iso", "probe", source, status=4)


def test_a_file_name_cannot_write_to_the_terminal(kimchi, tmp_path):
    make_image(tmp_path / "a\x1b[31m.iso", "LABEL\x1b[2J")
    run = kimchi("iso", "scan", "--deep", tmp_path, status=0)
    assert "\x1b" not in run.out
    assert r"a\x1b[31m.iso" in run.out


def test_what_is_taught_is_known_at_the_next_look_and_forgotten_with_the_rule(kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "Appliance 4.2 x86_64")
    make_image(tmp_path / "b.iso", "Appliance 5.0 x86_64")
    kimchi("iso", "scan", "--deep", tmp_path, status=0)
    kimchi("iso", "teach", tmp_path / "a.iso", "--os-distro", "ours", "--os-version", "4.2", status=0)
    named = [("a.iso", "ours", "4.2"), ("b.iso", "ours", "5.0")]
    assert found(kimchi("iso", "scan", "--deep", tmp_path, "-o", "json")) == named
    assert kimchi("iso", "probe", tmp_path / "b.iso", "-o", "json").json[0]["identified_by"] == "taught:ours-4.2"
    kimchi("iso", "rule", "delete", "ours-4.2", status=0)
    assert kimchi("iso", "probe", tmp_path / "b.iso", "-o", "json").json[0]["os_distro"] == "unknown"


def test_known_images_follow_what_is_taught_without_being_opened(kimchi, tmp_path):
    (tmp_path / "top").mkdir()
    for name in ("4.2", "4.3"):
        make_image(tmp_path / f"top/{name}.iso", f"APPLIANCE {name}")
    make_image(tmp_path / "top/other.iso", "SLES10")
    kimchi("iso", "scan", "--deep", tmp_path / "top", status=0)
    os.rename(tmp_path / "top", tmp_path / "away")
    listed = ("iso", "list", "-o", "json")
    before = found(kimchi(*listed))
    words = ("iso", "teach", tmp_path / "away/4.2.iso", "--os-distro", "ours", "--os-version", "4.2")
    assert "2 known images were named anew" in kimchi(*words, status=0).err
    assert found(kimchi(*listed)) == [
        ("4.2.iso", "ours", "4.2"),
        ("4.3.iso", "ours", "4.3"),
        ("other.iso", "sles", "10"),
    ]
    kimchi("iso", "rule", "delete", "ours-4.2", status=0)
    assert found(kimchi(*listed)) == before


def test_teaching_shows_the_rule_and_a_dry_run_keeps_none(kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "Appliance 4.2")
    words = ("iso", "teach", tmp_path / "a.iso", "--os-distro", "ours", "--os-version", "4.2")
    assert "<version>" in kimchi(*words, "--dry-run", status=0).json["match"][0]["volume"]
    assert kimchi("iso", "rule", "list", "-o", "json").json == []
    kimchi(*words, status=0)
    kimchi(*words, status=4)
    kimchi(*words, "--replace", status=0)


def test_a_rule_is_edited_only_into_one_that_works(kimchi, tmp_path, monkeypatch):
    make_image(tmp_path / "a.iso", "Appliance 4.2")
    kimchi("iso", "teach", tmp_path / "a.iso", "--os-distro", "ours", "--os-version", "4.2", status=0)
    monkeypatch.setenv("EDITOR", "sed -i s/Appliance/[/")
    kimchi("iso", "rule", "edit", "ours-4.2", status=4)
    monkeypatch.setenv("EDITOR", "sed -i s/ours/theirs/")
    kimchi("iso", "rule", "edit", "ours-4.2", status=4)  # the name would change with it
    monkeypatch.setenv("EDITOR", """sed -i 's/"distro": "ours"/"distro": "theirs"/'""")
    kimchi("iso", "rule", "edit", "ours-4.2", status=0)
    assert kimchi("iso", "probe", tmp_path / "a.iso", "-o", "json").json[0]["os_distro"] == "theirs"


def test_explain_says_what_was_looked_at_and_what_decided(kimchi, tree):
    path = tree / "ubuntu12.04.iso"
    evidence = kimchi("iso", "probe", path, "--explain", "-o", "json", status=0).json[0]["evidence"]
    assert evidence["labels"]["volume"] == "Ubuntu-Server 12.04 LTS amd64"
    assert evidence["chosen"]["distro"] == "ubuntu"
    assert "decided" in kimchi("iso", "probe", path, "--explain", status=0).out


def test_a_damaged_rule_is_listed_with_its_reason_and_hinders_no_other(kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "Appliance 4.2")
    kimchi("iso", "teach", tmp_path / "a.iso", "--os-distro", "ours", "--os-version", "4.2", status=0)
    rules = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "rules")
    for name, text in (("broken", "{"), ("wrong", '{"name": "wrong", "distro": 3}')):
        with open(os.path.join(rules, name + ".json"), "w") as file:
            file.write(text)
    rows = {row["name"]: row["problem"] for row in kimchi("iso", "rule", "list", "-o", "json", status=0).json}
    assert rows.pop("ours-4.2") is None
    assert set(rows) == {"broken", "wrong"}
    assert all(rows.values())
    assert kimchi("iso", "probe", tmp_path / "a.iso", "-o", "json").json[0]["os_distro"] == "ours"


def test_a_place_that_is_no_directory_hinders_no_other(kimchi, tree):
    run = kimchi("iso", "scan", "--deep", tree / "ubuntu12.04.iso", tree / "isos", "-o", "json", status=7)
    assert len(run.json) == 1
    assert "is not a directory" in run.error["message"]


def test_a_deep_scan_of_a_file_leads_to_probe(kimchi, tree):
    assert "iso probe" in kimchi("iso", "scan", "--deep", tree / "ubuntu12.04.iso", status=4).err


def test_a_host_without_an_active_pool_has_nothing_to_scan_and_says_where_else_images_are(kimchi, tmp_path):
    (tmp_path / "host.xml").write_text("<node/>")
    scanned = kimchi("iso", "scan", "-c", f"test://{tmp_path}/host.xml", "-o", "json", status=0)
    assert scanned.json == [] and "iso scan --deep PATH" in scanned.err
