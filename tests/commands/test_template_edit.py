"""Templates changed: by options, in an editor, renamed; right or not at all."""

import json
import os
import pty
import select
import stat
import subprocess
import sys

import pytest


@pytest.fixture
def test(kimchi, image):
    """A template called test, as it is stored."""
    kimchi("template", "create", "test", "--cdrom", image("Debian 12.5.0 amd64 n"), status=0)
    return lambda name="test": kimchi("template", "show", name, "--stored", status=0).json


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """Makes EDITOR a Python program over `text`, the document as it is opened."""

    def set_editor(program):
        path = tmp_path / "editor"
        path.write_text(
            f"#!{sys.executable}\nimport sys, json\npath = sys.argv[-1]\ntext = open(path).read()\n{program}\n"
            "open(path, 'w').write(text)\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(path))

    return set_editor


def changed(before, after):
    return {key for key in {*before, *after} if before.get(key) != after.get(key)}


def test_a_rename_leaves_all_but_the_name(kimchi, test):
    before = test()
    kimchi("template", "edit", "test", "--name", "new-test", status=0)
    assert changed(before, test("new-test")) == {"name"}
    kimchi("template", "show", "test", status=3)
    files = os.listdir(os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates"))
    assert [file for file in files if not file.startswith(".")] == ["new-test.json"]


def test_a_rename_onto_another_is_refused(kimchi, test):
    kimchi("template", "clone", "test", "--name", "other", status=0)
    kimchi("template", "edit", "test", "--name", "other", status=4)
    assert kimchi("template", "list", "-o", "name").out == "other\ntest\n"


@pytest.mark.parametrize("name", ["   ", "", "x" * 201, "a\x1bb"])
def test_a_name_that_cannot_be_one_is_refused(kimchi, test, name):
    before = test()
    kimchi("template", "edit", "test", "--name", name, status=4)
    assert test() == before


@pytest.mark.parametrize("memory", ["lots", "", "  ", "0", "-1", "511", "5T", "1e3", "2GB"])
def test_memory_that_cannot_be_is_refused_and_the_value_stays(kimchi, test, memory):
    before = test()
    done = kimchi("template", "edit", "test", "--memory", memory)
    assert done.status in (2, 4) and "memory" in done.err
    assert test() == before


def test_current_memory_above_the_maximum_is_refused_with_both_numbers(kimchi, test):
    kimchi("template", "edit", "test", "--max-memory", "2048", status=0)
    done = kimchi("template", "edit", "test", "--memory", "4096", status=4)
    assert "4096" in done.err and "2048" in done.err


def test_only_the_named_values_change(kimchi, test):
    for arguments, keys in (
        (["--max-memory", "3072"], {"max_memory"}),
        (["--memory", "1536"], {"memory"}),
        (["--memory", "1024", "--max-memory", "1024"], {"memory", "max_memory"}),
        (["--folder", "mock/isos", "--icon", "i.png"], {"folder", "icon"}),
        (["--os-distro", "fedora", "--os-version", "21"], {"os_distro", "os_version"}),
        (["--graphics", "spice,0.0.0.0"], {"graphics"}),
        (["--network", "a", "--network", "bridge=br0"], {"networks"}),
        (["--disk", "0,size=40G"], {"disks"}),
        (["--topology", "1,2,1"], {"topology"}),
        (["--firmware", "uefi", "--secure-boot"], {"firmware", "secure_boot"}),
        (["--icon", ""], {"icon"}),
    ):
        before = test()
        kimchi("template", "edit", "test", *arguments, status=0)
        assert changed(before, test()) == keys, arguments


def test_options_that_do_not_agree_are_refused_together(kimchi, test):
    before = test()
    kimchi("template", "edit", "test", "--icon", "x", "--firmware", "bios", "--secure-boot", status=4)
    assert test() == before


def test_another_image_can_be_named_and_is_looked_at(kimchi, test, image):
    other = image("Debian 12.6.0 amd64 n")
    kimchi("template", "edit", "test", "--cdrom", other, status=0)
    assert test()["cdrom"] == str(other)
    assert kimchi("template", "show", "test", "-o", "json").json["problems"] == []
    kimchi("template", "edit", "test", "--cdrom", "/gone.iso", status=3)


def test_a_dry_run_shows_the_difference_and_changes_nothing(kimchi, test):
    before = test()
    done = kimchi("template", "edit", "test", "--memory", "3G", "--dry-run", status=0)
    assert done.out == "memory: 2048 MiB -> 3072 MiB\n"
    assert test() == before


def test_the_editor_gets_the_stored_document_and_what_it_leaves_is_stored(kimchi, test, editor):
    before = test()
    editor("text = text.replace('2048', '3072')")
    kimchi("template", "edit", "test", status=0)
    assert changed(before, test()) == {"memory"}


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("text = text.replace('memory', 'foo')", "'foo'"),
        ("text = text[:40]", "is not JSON"),
        ("text = text.replace('2048', '1')", "memory 1 MiB is below"),
        ("text = '[1]'", "must be an object"),
        ("text = text.replace('\"name\": \"test\",', '')", "'name' is missing"),
    ],
)
def test_a_mistake_in_the_editor_is_refused_without_a_terminal(kimchi, test, editor, program, told):
    before = test()
    editor(program)
    assert told in kimchi("template", "edit", "test", status=4).err
    assert test() == before


def test_a_name_changed_in_the_editor_is_a_rename(kimchi, test, editor):
    editor("text = text.replace('\"test\"', '\"web\"')")
    kimchi("template", "edit", "test", status=0)
    assert kimchi("template", "list", "-o", "name").out == "web\n"


@pytest.mark.parametrize(("program", "status"), [("pass", 0), ("sys.exit(1)", 1), ("text = ''", 0)])
def test_nothing_changed_or_given_up_leaves_it_as_it_was(kimchi, test, editor, program, status):
    before = test()
    editor(program)
    assert "unchanged" in kimchi("template", "edit", "test", status=status).err
    assert test() == before


def test_without_an_editor_and_a_terminal_it_is_wrong_usage(kimchi, test):
    assert "EDITOR" in kimchi("template", "edit", "test", status=2).err


def test_what_others_change_while_the_editor_is_open_arrives_too(kimchi, test, editor):
    other = f"{sys.executable} -m kimchictl template edit test --vcpus 1 -q"
    editor(f"import os; assert os.system({other!r}) == 0; text = text.replace('2048', '3072')")
    kimchi("template", "edit", "test", status=0)
    assert (test()["memory"], test()["vcpus"]) == (3072, 1)


def test_the_same_key_changed_by_others_meanwhile_is_refused(kimchi, test, editor):
    other = f"{sys.executable} -m kimchictl template edit test --memory 1G -q"
    editor(f"import os; assert os.system({other!r}) == 0; text = text.replace('2048', '3072')")
    assert "memory" in kimchi("template", "edit", "test", status=4).err
    assert test()["memory"] == 1024


def test_a_file_that_breaks_a_rule_can_be_corrected_in_the_editor(kimchi, test, editor):
    path = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates", "test.json")
    with open(path, "w") as file:
        json.dump({"name": "test", "memory": "2048"}, file)
    kimchi("template", "edit", "test", "--vcpus", "1", status=4)
    editor("text = text.replace('\"2048\"', '2048')")
    kimchi("template", "edit", "test", status=0)
    assert test()["memory"] == 2048


def test_a_template_can_be_looked_over_before_it_is_stored(kimchi, image, editor):
    editor("text = text.replace('2048', '3072')")
    kimchi("template", "create", "new", "--cdrom", image("Debian 12.5.0 amd64 n"), "--edit", status=0)
    assert kimchi("template", "show", "new", "-o", "json").json["memory"] == 3072


def test_an_editor_that_fails_leaves_the_plain_template(kimchi, image, editor):
    editor("sys.exit(1)")
    kimchi("template", "create", "new", "--cdrom", image("Debian 12.5.0 amd64 n"), "--edit", status=0)
    assert kimchi("template", "show", "new", "-o", "json").json["memory"] == 2048


def test_edits_of_different_keys_at_once_all_arrive(kimchi, test):
    edits = [("--memory", "1G"), ("--vcpus", "1"), ("--icon", "x"), ("--folder", "y"), ("--cpu", "maximum")]
    running = [subprocess.Popen([sys.executable, "-m", "kimchictl", "template", "edit", "test", *one]) for one in edits]
    assert [process.wait() for process in running] == [0] * len(edits)
    stored = test()
    assert [stored[key] for key in ("memory", "vcpus", "icon", "folder", "cpu")] == [1024, 1, "x", "y", "maximum"]


def test_a_lock_held_by_another_process_is_waited_for_and_then_told(kimchi, test):
    program = (
        "import os, sys; from kimchictl.app import App\n"
        "with App().templates.session(): print(os.getpid(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        pid = holder.stdout.readline().decode().strip()
        done = kimchi("template", "edit", "test", "--memory", "1G", "--lock-timeout", "300ms", status=6)
        assert pid in done.err
        kimchi("template", "list", status=0)
        holder.stdin.close()


def test_memory_below_what_the_system_asks_for_is_said(kimchi, test):
    kimchi("template", "edit", "test", "--os-distro", "windows", "--os-version", "11", "-q", status=0)
    done = kimchi("template", "edit", "test", "--memory", "1G", status=0)
    assert "memory 1024 MiB is below what windows 11 asks for" in done.err


def on_terminal(arguments, seconds=30):
    """Runs kimchictl on a terminal of its own; (exit status, what was on the screen)."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "kimchictl", *arguments])  # noqa: S606
    screen = b""
    while select.select([terminal], [], [], seconds)[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # EIO: the last one who had it open is gone
            break
        screen += piece
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode()


def test_on_a_terminal_a_mistake_is_opened_again_with_the_error_on_top(kimchi, test, editor, tmp_path):
    editor(
        f"seen = open({str(tmp_path / 'seen')!r}, 'a'); seen.write(text)\n"
        "text = text.replace('2048', '1') if not text.startswith('#') else text.replace(': 1,', ': 3072,')"
    )
    status, screen = on_terminal(["template", "edit", "test"])
    assert status == 0, screen
    assert "# template 'test': memory 1 MiB is below the minimum of 512 MiB" in (tmp_path / "seen").read_text()
    assert test()["memory"] == 3072


def test_on_a_terminal_leaving_the_mistake_gives_up(kimchi, test, editor):
    before = test()
    editor("text = text.replace('2048', '1') if not text.startswith('#') else text")
    status, screen = on_terminal(["template", "edit", "test"])
    assert status == 4 and "memory 1 MiB is below" in screen
    assert test() == before
