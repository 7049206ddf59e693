"""One direction of imports, one home for every heavy library, and what a small command may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import kimchictl

PACKAGE = Path(kimchictl.__file__).parent

# A module imports only from its left.
ORDER = [
    *("errors", "units", "query", "options", "progress", "config", "files", "locks", "store", "media", "catalog"),
    *("virt", "actions", "render", "app", "commands", "cli", "__main__"),
]

# Who may import what, and from where on a module may not load it at its top.
HOMES = {
    "libvirt": {"kimchictl.virt"},
    "rich": {"kimchictl.render"},
    "pycdlib": {"kimchictl.media"},
    "click": {"kimchictl.app", "kimchictl.commands", "kimchictl.cli"},
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("kimchictl", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(part for part in parts if part != "__init__")] = path
    return found


MODULES = modules()


@cache
def nodes(name: str) -> list[ast.AST]:
    """All of a module's syntax tree, the whole of it first; each is walked once, for all tests."""
    return list(ast.walk(ast.parse(MODULES[name].read_bytes())))


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """The modules that a module imports, and whether it does at its top level (not only when it is type-checked)."""
    tree = nodes(name)[0]
    assert isinstance(tree, ast.Module)
    top = {id(node) for statement in tree.body for node in _outside_functions(statement)}
    for node in nodes(name):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top
            if node.module == "kimchictl":
                yield from ((f"kimchictl.{alias.name}", id(node) in top) for alias in node.names)


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):  # nothing is imported in an expression
        return
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _outside_functions(child)


def layer(module: str) -> int:
    """Where a module of ours stands in the order; the package itself, which holds the version alone, is before all."""
    parts = module.split(".")
    return ORDER.index(parts[1]) if len(parts) > 1 and f"kimchictl.{parts[1]}" in MODULES else -1


def test_every_module_has_its_place_in_the_order():
    assert {name.split(".")[1] for name in MODULES if "." in name} <= {*ORDER, "data"}


def test_a_module_imports_only_from_its_left():
    ours = {(name, of) for name in MODULES for of, _top in imports(name) if of.split(".")[0] == "kimchictl"}
    assert sorted((name, imported) for name, imported in ours if layer(imported) > layer(name)) == []


def used_by(name: str) -> set[str]:
    """The modules of ours that a module imports, inside of functions too, but not only for its types."""
    hinted = {
        id(inner)
        for node in nodes(name)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    found = set()
    for node in nodes(name):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in hinted:
            found |= {
                full if (full := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names
            }
    return found & MODULES.keys() - {name}


def test_no_file_is_imported_by_what_it_imports():
    uses = {name: used_by(name) for name in MODULES}
    circles = {name: sorted(other for other in uses[name] if name in reached(uses, other)) for name in uses}
    assert {name: others for name, others in circles.items() if others} == {}


def reached(uses: dict[str, set[str]], start: str) -> set[str]:
    """All that `start` leads to, itself included."""
    found, queue = {start}, [start]
    for name in queue:
        new = uses[name] - found
        found |= new
        queue += new
    return found


def test_a_heavy_library_has_one_home():
    found = [(name, of, top) for name in MODULES for of, top in imports(name) if of.split(".")[0] in HOMES]
    homes = [(name, of) for name, of, _top in found if ".".join(name.split(".")[:2]) not in HOMES[of.split(".")[0]]]
    assert homes == [], "these import what others are the home of"
    tops = [(name, of) for name, of, top in found if top and of.split(".")[0] != "click"]
    assert tops == [], "these import it outside of a function"


def test_reading_images_and_keeping_documents_never_prints():
    quiet = [name for name in MODULES if name.split(".")[1:2] in (["media"], ["catalog"])]
    called = [(name, node.func) for name in quiet for node in nodes(name) if isinstance(node, ast.Call)]
    assert [name for name, what in called if isinstance(what, ast.Name) and what.id == "print"] == []


HEAVY = ("libvirt", "rich", "pycdlib", "urllib", "http.client", "importlib.metadata", "xml.etree.ElementTree")


def loaded_by(*argv: str, **environment: str) -> set[str]:
    """The modules that a command line has loaded when it ends."""
    program = "import sys; from kimchictl.__main__ import main; sys.argv[1:] = {!r}\n"
    program += "try: main()\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program.format(list(argv))],
        capture_output=True,
        text=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """Places of kimchictl's own with nothing in them."""
    return {f"KIMCHI_{what}_DIR": str(tmp_path / what) for what in ("CONFIG", "STATE", "CACHE")}


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["iso", "--help"],
        ["template", "list", "-o", "json"],
        ["template", "list"],
        ["iso", "list", "-o", "json"],
        ["iso", "list"],
        ["template", "create", "--help"],
        ["--version", "--quiet"],
    ],
    ids=" ".join,
)
def test_a_command_that_needs_no_heavy_library_loads_none(argv, elsewhere):
    loaded = loaded_by(*argv, **elsewhere)
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("words", ["", "template show ", "distro show ", "iso forget ", "template list --filter "])
def test_completion_loads_no_heavy_library(elsewhere, words):
    asked = {"COMP_WORDS": f"kimchictl {words}", "_KIMCHICTL_COMPLETE": "bash_complete"}
    asked["COMP_CWORD"] = str(len(asked["COMP_WORDS"].split(" ")) - 1)
    loaded = loaded_by(**asked, **elsewhere)
    assert [name for name in HEAVY if name in loaded] == []


def test_a_list_of_remembered_templates_loads_only_what_reads_and_prints_it(elsewhere):
    directory = Path(elsewhere["KIMCHI_CONFIG_DIR"], "templates")
    directory.mkdir(parents=True)
    (directory / "a.json").write_text('{"name": "a"}')
    loaded_by("template", "list", "-o", "json", **elsewhere)
    loaded = loaded_by("template", "list", "-o", "json", **elsewhere)
    costly = ("json", "dataclasses", "difflib", "locale", "ipaddress", "kimchictl.locks", "kimchictl.catalog.records")
    assert [name for name in (*HEAVY, *costly) if name in loaded] == []


def test_the_version_is_told_without_click():
    loaded = loaded_by("--version")
    assert "click" not in loaded and "kimchictl.cli" not in loaded
