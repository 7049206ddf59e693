"""The manual, made of what the program itself says: commands' help, configuration keys, schemas, exit statuses.

    pages()              {"man1/kimchictl-iso.1": text, ...}: a page for the whole, one a group, formats in section 5
    completions()        {"bash-completion/completions/kimchictl": text, ...}, where each shell looks for them
    write(directory)     all of it below a share directory, as the wheel installs it

What people write by hand is man/NAME.man: sections in man(7) that follow the generated ones, such as EXAMPLES and
FILES. Run by the build of a wheel (build_hook.py) and by `make man`.
"""

from __future__ import annotations

import calendar
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

import click  # noqa: E402

from kimchictl import __version__  # noqa: E402
from kimchictl.cli import kimchictl  # noqa: E402
from kimchictl.commands.completion import SHELLS, script  # noqa: E402
from kimchictl.commands.help import FILTERS, OUTPUT, PLACES, exit_statuses  # noqa: E402
from kimchictl.config import KEYS  # noqa: E402
from kimchictl.media.naming import rules  # noqa: E402

HAND_WRITTEN = CHECKOUT / "man"
ROOT = "kimchictl"
FORMATS = {"kimchictl.toml": "configuration of kimchictl"}
SCHEMAS = {"kimchi-template": "template.schema.json", "kimchi-distro": "distro.schema.json"}
RULE = "kimchi-rule"
SECTION_5 = [*FORMATS, *SCHEMAS, RULE]

ESCAPES = {"\\": "\\e", "-": "\\-", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga"}

COMPLETIONS = {
    "bash": "bash-completion/completions/kimchictl",
    "zsh": "zsh/site-functions/_kimchictl",
    "fish": "fish/vendor_completions.d/kimchictl.fish",
}


def write(share: Path) -> None:
    """Writes manual and completions below `share`, of which nothing older stays."""
    shutil.rmtree(share, ignore_errors=True)
    for place, text in {**{f"man/{name}": page for name, page in pages().items()}, **completions()}.items():
        file = share / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


def completions() -> dict[str, str]:
    return {COMPLETIONS[shell]: script(shell) for shell in SHELLS}


def pages() -> dict[str, str]:
    context = click.Context(kimchictl, info_name=ROOT, **kimchictl.context_settings)
    made = {f"man1/{ROOT}.1": "\n".join(whole(context)) + "\n"}
    for name, command in members(context):
        if isinstance(command, click.Group):
            made[f"man1/{ROOT}-{name}.1"] = "\n".join(group(below(context, name, command))) + "\n"
    made["man5/kimchictl.toml.5"] = "\n".join(configuration()) + "\n"
    for name, schema in SCHEMAS.items():
        made[f"man5/{name}.5"] = "\n".join(document(name, schema)) + "\n"
    made[f"man5/{RULE}.5"] = "\n".join(rule_format()) + "\n"
    return made


def members(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """The visible commands of a context's group, by name."""
    owner = context.command
    assert isinstance(owner, click.Group)  # noqa: S101
    for name in owner.list_commands(context):
        command = owner.get_command(context, name)
        if command and not command.hidden:
            yield name, command


def below(context: click.Context, name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=name, parent=context)


def whole(context: click.Context) -> Iterator[str]:
    """kimchictl(1)."""
    yield from heading(ROOT, 1, summary(context.command))
    yield from synopsis(context)
    yield ".SH DESCRIPTION"
    yield from prose(context.command.help or "")
    yield ".SH COMMANDS"
    for name, command in members(context):
        if isinstance(command, click.Group):
            yield from (".TP", rf"\fB{ROOT}\-{name}\fR(1)", plain(summary(command)))
        else:
            yield from (".TP", bold(f"{ROOT} {name}") + " " + usage(below(context, name, command)))
            yield plain(summary(command))
    yield ".SH GLOBAL OPTIONS"
    yield "Accepted anywhere on the command line."
    yield from options(context)
    yield from (".SH OUTPUT", *literal(OUTPUT))
    yield from (".SH FILTERS", *literal(FILTERS))
    yield from (".SH PLACES", *literal(PLACES.rpartition("\n\n")[0].rpartition(" These keys")[0]))
    yield from hand_written(ROOT)
    yield from status_section()
    groups = [name for name, command in members(context) if isinstance(command, click.Group)]
    yield from see_also([*(f"{ROOT}-{name}(1)" for name in groups), *(f"{name}(5)" for name in SECTION_5)])


def group(context: click.Context) -> Iterator[str]:
    """The page of a group, its sub-groups included."""
    page = f"{ROOT}-{context.info_name}"
    yield from heading(page, 1, summary(context.command))
    yield from synopsis(context)
    yield ".SH DESCRIPTION"
    yield from prose(context.command.help or "")
    yield ".SH COMMANDS"
    yield from verbs(context, "")
    yield from hand_written(page)
    yield from status_section()
    yield from see_also([f"{ROOT}(1)", *(f"{name}(5)" for name in SECTION_5)])


def verbs(context: click.Context, prefix: str) -> Iterator[str]:
    for name, command in members(context):
        inner = below(context, name, command)
        if isinstance(command, click.Group):
            yield from verbs(inner, f"{prefix}{name} ")
            continue
        yield f".SS {prefix}{name} " + usage(inner)
        yield from prose(command.help or "")
        yield from options(inner)


def usage(context: click.Context) -> str:
    return plain(" ".join(context.command.collect_usage_pieces(context)))


def options(context: click.Context) -> Iterator[str]:
    """Every option that the command's own help shows."""
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record and record[0] != "-h, --help":
            yield from (".TP", bold(record[0]), plain(record[1]))


def configuration() -> Iterator[str]:
    """kimchictl.toml(5)."""
    yield from heading("kimchictl.toml", 5, FORMATS["kimchictl.toml"])
    yield ".SH DESCRIPTION"
    yield "A TOML file. The user's overrides the system's, an environment variable both, and an option all."
    yield ".SH KEYS"
    for key in KEYS.values():
        default = "" if key.default in (None, ()) else f" Default: {shown(key.default)}."
        choices = f" One of {', '.join(key.choices)}." if key.choices else ""
        yield from (".TP", bold(key.name))
        yield plain(f"{key.meaning}.{choices}{default}")
        yield plain(f"Environment: {key.variable}.")
    yield from hand_written("kimchictl.toml")
    yield from see_also([f"{ROOT}(1)", f"{ROOT}-config(1)"])


def shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g} s" if isinstance(value, float) else str(value)


def document(name: str, schema: str) -> Iterator[str]:
    """The page of a file's format, from its schema."""
    read = json.loads((CHECKOUT / "kimchictl/data" / schema).read_text("utf-8"))
    yield from heading(name, 5, read["title"][0].lower() + read["title"][1:])
    yield ".SH DESCRIPTION"
    yield "A JSON file with one object. Keys, all optional but where it is said:"
    yield from keys(read)
    yield from hand_written(name)
    yield from see_also([f"{ROOT}(1)", *(f"{other}(5)" for other in SECTION_5 if other != name)])


def keys(schema: dict[str, Any]) -> Iterator[str]:
    """A schema's properties, those of the objects in them indented below."""
    for key, rule in schema["properties"].items():
        needed = " Required." if key in schema.get("required", ()) else ""
        choices = f": {', '.join(rule['enum'])}" if "enum" in rule else ""
        yield from (".TP", bold(key), plain(f"{rule.get('description', '')}{choices}.{needed}"))
        items = rule.get("items", rule)
        inner = next((one for one in items.get("anyOf", [items]) if "properties" in one), None)
        if inner:
            yield from (".RS", *keys(inner), ".RE")


def rule_format() -> Iterator[str]:
    """kimchi-rule(5), from the description in the module that applies rules."""
    text = re.sub(r"\s\(`kimchictl[\w.]+`\)", "", rules.__doc__ or "").replace("*", "")
    text = re.sub(r"names\sof\s`kimchictl[\w.]+`", "names below PARTS", text).replace("`", "")
    described = text.split("A rule is a JSON object:", 1)[1].strip("\n").split("\n\n", 1)
    yield from heading(RULE, 5, "a rule of kimchictl that names images by their labels")
    yield from (".SH DESCRIPTION", "A JSON file with one object. Keys, of which name, distro and match are required:")
    for line in described[0].split("\n"):
        key, text = line[4:14].strip(), plain(line[15:].strip())
        yield from ((".TP", bold(key), text) if key else (text,))
    yield from (".SH PATTERNS", *prose(described[1]))
    yield from hand_written(RULE)
    yield from see_also([f"{ROOT}-iso(1)", *(f"{other}(5)" for other in SECTION_5 if other != RULE)])


def heading(page: str, section: int, text: str) -> Iterator[str]:
    day = time.strftime("%Y-%m-%d", time.gmtime(moment()))
    manual = "User Commands" if section == 1 else "File Formats"
    yield f'.TH {page.upper()} {section} "{day}" "{ROOT} {__version__}" "{manual}"'
    yield from (".SH NAME", f"{plain(page)} \\- {plain(text[:1].lower() + text[1:].rstrip('.'))}")


def moment() -> int:
    """When the sources are from, so that the same sources make the same manual: as said, or the release's own day."""
    said = os.environ.get("SOURCE_DATE_EPOCH")
    changes = (CHECKOUT / "CHANGES.md").read_text("utf-8") if (CHECKOUT / "CHANGES.md").exists() else ""
    released = re.search(rf"^## {re.escape(__version__)} \((\d{{4}})-(\d\d)-(\d\d)\)", changes, re.MULTILINE)
    if said or not released:
        return int(said or time.time())
    return calendar.timegm((*map(int, released.groups()), 0, 0, 0))


def synopsis(context: click.Context) -> Iterator[str]:
    yield from (".SH SYNOPSIS", f"{bold(context.command_path)} {usage(context)}")


def summary(command: click.Command) -> str:
    return (command.help or "").split("\n", 1)[0]


def prose(text: str) -> Iterator[str]:
    r"""Paragraphs of a docstring; those that begin with \b keep their lines."""
    paragraphs = re.split(r"\n\s*\n", text.split("\f")[0].strip("\n"))
    for number, paragraph in enumerate(paragraphs):
        if paragraph.lstrip().startswith("\b"):
            title, *rest = [line for line in paragraph.split("\n") if line.strip(" \b")]
            yield from (".PP", plain(title.strip()), *literal("\n".join(rest)))
        else:
            yield from ([".PP"] if number else [])
            yield plain(" ".join(paragraph.split()))


def literal(text: str) -> Iterator[str]:
    yield from (".nf", ".RS 2")
    yield from (plain(line) if line.strip() else "" for line in text.strip("\n").split("\n"))
    yield from (".RE", ".fi")


def status_section() -> Iterator[str]:
    yield from (".SH EXIT STATUS", *literal(exit_statuses()))


def hand_written(page: str) -> Iterator[str]:
    file = HAND_WRITTEN / f"{page}.man"
    if file.exists():
        yield file.read_text("utf-8").rstrip("\n")


def see_also(names: list[str]) -> Iterator[str]:
    yield ".SH SEE ALSO"
    for name in names:
        yield f".BR {plain(name[:-3])} {name[-3:]}" + (" ," if name != names[-1] else "")


def plain(text: str) -> str:
    """Text as roff shows it unchanged."""
    escaped = re.sub(r"[\\^~`-]", lambda found: ESCAPES[found[0]], text)
    return re.sub(r"(?m)^([.'])", r"\\&\1", escaped)


def bold(text: str) -> str:
    return rf"\fB{plain(text)}\fR"


if __name__ == "__main__":
    write(CHECKOUT / "build/share")
