"""Every refusal is one line that names the object, at most a hint, nothing on stdout, and nothing changed."""

import os

import pytest

REFUSALS = [
    (("create", "test", "--cdrom", "{image}"), 4, "test"),
    (("create", "new", "--cdrom", "/gone.iso"), 3, "/gone.iso"),
    (("create", "new", "--cdrom", "/etc/passwd"), 4, "/etc/passwd"),
    (("create", "new", "--cdrom", "/etc"), 4, "/etc"),
    (("create", "new", "--cdrom", "gopher://x/y"), 4, "gopher"),
    (("create", "new", "--cdrom", "{image}", "--memory", "lots"), 2, "lots"),
    (("create", "new", "--cdrom", "{image}", "--memory", "511"), 4, "511"),
    (("create", "new", "--cdrom", "{image}", "--disk", "format=cow"), 4, "cow"),
    (("create", "new", "--cdrom", "{image}", "--disk", "size=0"), 4, "0"),
    (("create", "new", "--cdrom", "{image}", "--disk", "colour=red"), 2, "colour"),
    (("create", "new", "--cdrom", "{image}", "--network", "tap=x"), 2, "tap"),
    (("create", "new", "--cdrom", "{image}", "--graphics", "vnc,localhost"), 4, "localhost"),
    (("create", "new", "--cdrom", "{image}", "--topology", "1,2"), 2, "1,2"),
    (("create", "new", "--cdrom", "{image}", "--vcpus", "3", "--max-vcpus", "2"), 4, "3"),
    (("create", "new", "--cdrom", "{image}", "--virt-type", "xen"), 4, "xen"),
    (("create", "new", "--distro", "nosuch"), 3, "nosuch"),
    (("create", "new", "--netboot", "--nonsense"), 2, "--nonsense"),
    (("create",), 2, "--cdrom"),
    (("edit", "test", "--name", "   "), 4, "name"),
    (("edit", "test", "--memory", "-1"), 2, "-1"),
    (("edit", "nosuch", "--memory", "1G"), 3, "nosuch"),
    (("edit", "test", "--disk", "7,size=5"), 4, "7"),
    (("show", "tset"), 3, "did you mean 'test'"),
    (("show", "test", "--stored", "--resolved"), 2, "--stored"),
    (("clone", "nosuch"), 3, "nosuch"),
    (("delete", "nosuch"), 3, "nosuch"),
    (("export", "nosuch"), 3, "nosuch"),
    (("import", "/gone.json"), 3, "/gone.json"),
    (("lsit",), 2, "did you mean 'list'"),
]


@pytest.fixture
def words(kimchi, image, monkeypatch):
    """Fills in the path of an image that the template called test is made of."""
    monkeypatch.delenv("LIBVIRT_DEFAULT_URI")  # no host is named, so none is asked for its memory
    path = image("Debian 12.5.0 amd64 n")
    kimchi("template", "create", "test", "--cdrom", path, status=0)
    return lambda line: [word.replace("{image}", str(path)) for word in line]


def content():
    directory = os.path.join(os.environ["KIMCHI_CONFIG_DIR"], "templates")
    files = [os.path.join(directory, name) for name in sorted(os.listdir(directory)) if not name.startswith(".")]
    return [(path, open(path).read()) for path in files]


@pytest.mark.parametrize(("line", "status", "told"), REFUSALS, ids=str)
def test_a_refusal_is_a_line_and_a_hint_and_changes_nothing(kimchi, words, line, status, told):
    before = content()
    done = kimchi("template", *words(line), status=status)
    lines = done.err.splitlines()
    assert lines[0].startswith("kimchictl: error: ") and told in done.err
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: "))
    assert done.out == ""
    assert content() == before


@pytest.mark.parametrize(("line", "status", "told"), REFUSALS[::4])
def test_with_json_it_is_the_error_object(kimchi, words, line, status, told):
    done = kimchi("-o", "json", "template", *words(line), status=status)
    assert done.out in ("", "[]\n")
    assert told in str(done.error)


def test_the_kinds_of_error_have_statuses_of_their_own(kimchi, words):
    assert {status for _, status, _ in REFUSALS} == {2, 3, 4}
