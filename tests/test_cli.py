import itertools
import os
import subprocess
import sys

import click
import pytest

from kimchictl import __version__
from kimchictl.cli import kimchictl
from kimchictl.commands import elsewhere

MAIN = [sys.executable, "-m", "kimchictl"]


def test_the_version_is_the_same_whoever_answers(kimchi):
    direct = subprocess.run([*MAIN, "--version"], capture_output=True, text=True, check=True)
    assert direct.stdout == kimchi("-q", "--version", status=0).out == f"kimchictl {__version__}\n"


def test_global_options_are_accepted_anywhere(kimchi):
    lines = [("-o", "json", "config", "path"), ("config", "-o", "json", "path"), ("config", "path", "-o", "json")]
    assert len({kimchi(*line, status=0).out for line in lines}) == 1


def test_the_option_nearest_to_the_end_wins(kimchi):
    assert kimchi("-o", "json", "config", "path", "-o", "csv").out.startswith("purpose,path,written\n")


def test_wrong_usage_is_one_line_and_a_hint(kimchi):
    done = kimchi("config", "shwo", status=2)
    assert done.err == "kimchictl: error: there is no command 'kimchictl config shwo'\nhint: did you mean 'show'?\n"
    assert done.out == ""


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("create",), "template create, vm create, pool create, volume create"),
        (("ls", "-q"), "iso ls, distro ls, template ls, vm ls, pool ls, volume ls, network ls, task ls"),
        (("detach", "web"), "vm disk detach, vm nic detach"),
        (("vm", "detach", "web"), "vm disk detach, vm nic detach"),
        (("vm", "upload"), None),
    ],
)
def test_where_a_verb_stands_for_its_group_the_groups_that_have_it_are_said(kimchi, words, meant):
    hint = kimchi("-o", "json", *words, status=2).error["hint"]
    assert hint == f"did you mean {meant}" if meant else hint.startswith("there are: list, show,")


def test_the_verb_of_another_group_that_means_the_same_is_understood(kimchi):
    assert kimchi("distro", "delete", "none", status=3).err == kimchi("distro", "remove", "none", status=3).err


def test_an_error_is_an_object_where_json_is_wanted(kimchi):
    for form in (["-o", "json"], ["-ojson"], ["--output=json"], ["--output", "json"]):
        done = kimchi("config", "show", "--nonsense", *form, status=2)
        assert (done.out, done.error["code"]) == ("", "usage")
    assert kimchi("-o", "json", "confg", status=2).error["hint"] == "did you mean 'config'?"


@pytest.mark.parametrize("words", [("bogus", "list"), ("config", "shwo"), ("vm", "snapshot", "bogus"), ("--bogus",)])
def test_an_error_is_an_object_wherever_json_is_asked_for(kimchi, words):
    assert kimchi(*words, "-o", "json", status=2).error["code"] == "usage"


def test_errors_are_objects_too_where_json_is_configured(kimchi, monkeypatch):
    monkeypatch.setenv("KIMCHICTL_OUTPUT", "json")
    assert kimchi("template", "show", "none", status=3).error["code"] == "not_found"
    assert kimchi("template", "delete", "none", "gone", status=3).err.count('{"error": ') == 2
    assert kimchi("config", "shwo", status=2).error["hint"] == "did you mean 'show'?"
    assert kimchi("template", "show", "none", "-o", "table", status=3).err.startswith("kimchictl: error: ")


def test_an_error_of_the_configuration_itself_follows_the_option(kimchi, monkeypatch):
    monkeypatch.setenv("KIMCHICTL_OUTPUT", "nonsense")
    assert kimchi("template", "list", status=4).err.startswith("kimchictl: error: ")
    monkeypatch.setenv("KIMCHICTL_POOL_TIMEOUT", "nonsense")
    assert kimchi("template", "list", "-o", "json", status=4).error["code"] == "invalid"


def test_a_group_alone_shows_its_help_and_is_wrong_usage(kimchi):
    done = kimchi("config", status=2)
    assert "Commands:" in done.err
    assert done.out == ""


def test_aliases_are_the_verbs(kimchi):
    assert kimchi("iso", "ls", "-o", "json", status=0).json == []


def groups(group, path):
    """Every group below `group` with the words that lead to it."""
    context = click.Context(group)
    yield path, group
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from groups(command, f"{path} {name}")


def test_every_member_that_is_named_is_there_and_says_what_its_summary_says():
    differing = []
    for path, group in groups(kimchictl, "kimchictl"):
        for name, (_where, summary) in group.members.items():
            command = group.get_command(click.Context(group), name)
            if command.help.splitlines()[0] != summary:
                differing.append(f"{path} {name}: {summary!r} is {command.help.splitlines()[0]!r}")
    assert differing == []


def test_data_in_a_pipe_has_no_colour_and_no_padding_at_the_end(kimchi):
    lines = kimchi("config", "path").out.splitlines()
    assert all(line == line.rstrip() and "\x1b" not in line for line in lines)


def test_columns_sort_and_filter(kimchi):
    rows = kimchi("config", "show", "--columns", "key,value", "--sort=-key", "--filter", "key~^vm", "-o", "json").json
    assert list(rows.items()) == [("vm.virt_type", {"value": "auto"}), ("vm.media", {"value": "auto"})]


def test_an_unknown_column_is_wrong_usage_and_the_known_ones_are_named(kimchi):
    assert "key, value, origin" in kimchi("config", "show", "--columns", "nope", status=2).err


def test_a_reader_that_went_away_ends_it_quietly_with_141():
    ended = subprocess.run(
        [*MAIN, "config", "show"],
        stdout=os.open(os.devnull, os.O_RDONLY),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert ended.returncode in (1, 141)
    reader, writer = os.pipe()
    os.close(reader)
    for words in (["config", "show"], ["--version"], ["--help"]):
        ended = subprocess.run([*MAIN, *words], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
        assert (ended.returncode, ended.stderr) == (141, ""), words
    os.close(writer)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_standard_output_is_an_error():
    for words in (["config", "show"], ["--version"], ["-q", "--version"], ["iso", "--help"]):
        with open("/dev/full", "w") as full:
            ended = subprocess.run([*MAIN, *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        error = "kimchictl: error: standard output cannot be written: No space left on device\n"
        assert (ended.returncode, ended.stderr) == (1, error), words


def test_it_runs_with_nothing_but_a_path():
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", *MAIN, "config", "path", "-o", "name"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_configured_colour_counts_as_the_option_does(kimchi, monkeypatch):
    monkeypatch.setenv("KIMCHICTL_COLOR", "always")
    assert "\x1b[1m" in kimchi("config", "path", status=0).out
    assert "\x1b" not in kimchi("config", "path", "--color", "never", status=0).out


def test_an_option_that_is_none_may_have_been_meant_as_a_name(kimchi):
    assert "goes behind --" in kimchi("vm", "stop", "-x", status=2).err
    for words in (("vm", "list", "-x"), ("vm", "stop", "--ram")):
        assert "goes behind --" not in kimchi(*words, status=2).err


def test_words_of_other_tools_lead_to_what_is_typed_here(kimchi):
    for words, here in (
        ("vm destroy web", "kimchictl vm stop NAME --force"),
        ("vm snapshot restore web", "kimchictl vm snapshot revert NAME SNAPSHOT"),
        ("vm create --ram 2048", "kimchictl vm create --memory SIZE"),
        ("vm list --running", "kimchictl vm list --filter state=running"),
    ):
        assert f"hint: {here}" in kimchi(*words.split(), status=2).err


def test_what_is_typed_instead_of_words_of_other_tools_is_there(kimchi):
    tables = (*elsewhere._COMMANDS.values(), *elsewhere._OPTIONS.values())
    for instead in {words.partition(",")[0] for table in tables for words in table.values()}:
        kimchi(*itertools.takewhile(str.islower, instead.replace("--", "-- ").split()), "--help", status=0)
