import inspect
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest

from kimchictl.config import KEYS
from lab.commands import commands


@pytest.mark.parametrize("subject", ["output", "filters", "exit-status", "places"])
def test_every_subject_fits_its_screen_width(kimchi, subject):
    text = kimchi("help", subject, status=0).out
    assert text
    assert max(map(len, text.splitlines())) <= 125


def test_without_a_subject_it_is_the_help_of_the_program(kimchi):
    assert kimchi("help", status=0).out == kimchi("--help", status=0).out


@pytest.mark.parametrize("words", [("vm",), ("vm", "create"), ("vm", "disk", "attach"), ("help",)])
def test_of_a_command_it_is_that_commands_help(kimchi, words):
    assert kimchi("help", *words, status=0).out == kimchi(*words, "--help", status=0).out


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("filter",), "no help for 'filter'", "did you mean 'filters'?"),
        (("vm", "creat"), "no help for 'vm creat'", "did you mean 'create'?"),
        (("suspend",), "no help for 'suspend'", "did you mean vm suspend"),
        (("vm", "create", "web"), "'kimchictl vm create' has no commands", "see kimchictl vm create --help"),
        (("vm", "places"), "no help for 'vm places'", None),
    ],
)
def test_words_that_lead_to_no_command_are_refused(kimchi, words, message, hint):
    error = kimchi("-o", "json", "help", *words, status=2).error
    assert error["message"] == message
    assert hint in (None, error["hint"])


def test_what_may_be_chosen_is_said_in_a_line(kimchi):
    assert "Choose from: bash, zsh, fish\n" in kimchi("completion", status=2).err


def test_the_exit_statuses_are_those_of_the_errors(kimchi):
    text = kimchi("help", "exit-status").out
    assert [line.split()[0] for line in text.splitlines() if line[:4].strip()][:9] == list("012345678")


def test_every_configuration_key_and_its_variable_are_explained(kimchi):
    text = kimchi("help", "places").out
    assert all(f" {key.name} " in text and f" {key.variable} " in text for key in KEYS.values())


def test_every_command_is_in_a_test():
    texts = [file.read_text() for file in Path(__file__).parents[1].rglob("test_*.py")]
    tried = [path for path, _ in commands() if any(all(f'"{word}"' in text for word in path) for text in texts)]
    assert [" ".join(path) for path, _ in commands() if path not in tried] == []


def examples(command):
    """The lines below "Examples:" of a command's help, up to an empty one."""
    paragraph = inspect.cleandoc(command.help).partition("Examples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in paragraph.split("\n")]


def test_every_command_has_a_first_line_examples_and_its_exit_statuses(kimchi):
    for path, command in commands():
        text = kimchi(*path, "--help", status=0).out
        assert command.get_short_help_str(200).endswith((".", "!")), path
        assert 2 <= len(examples(command)) <= 5, path
        assert "Exit status: 0 done, 1 failed, 2 wrong usage" in text, path


def words_after(name, line):
    """The arguments of the command called `name` in a line of shell, up to what ends it."""
    words = line[line.index(name) :]
    lexer = shlex.shlex(words.replace('"', "") if words.count('"') % 2 else words, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(takewhile(lambda word: not set(word) <= set("|<>()&;"), lexer))[len(name.split()) :]


def test_every_example_is_one_of_the_command_itself_and_can_be_parsed():
    for path, command in commands():
        name = " ".join(("kimchictl", *path))
        own = [line for line in examples(command) if name in line]
        assert own, path
        for line in own:
            context = click.Context(command, info_name=path[-1])
            command.make_parser(context).parse_args(words_after(name, line))


def test_the_exit_statuses_of_a_command_are_those_it_can_have(kimchi):
    wanted = {
        "iso scan": "10 changes found",
        "vm wait": "8 timed out",
        "template edit": "6 locked",
        "host check": "7 some",
        "template show": "3 not found",
    }
    for path, text in wanted.items():
        assert text in " ".join(kimchi(*path.split(), "--help").out.split())
    assert "5 no host" not in kimchi("config", "show", "--help").out
    assert "Exit status: 0 done, 1 failed, 2 wrong usage.\n" in kimchi("help", "--help").out
