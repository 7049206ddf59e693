"""Several hosts at once: what each has in one list, and what does not answer named with the reason."""

import socket
import time

import pytest

from lab.host import PrivateHost
from lab.images import make_image

DOMAIN = "<domain type='test'><name>%s</name><memory>1024</memory><os><type>hvm</type></os></domain>"
NODE = "<node><cpu><mhz>6000</mhz><model>i686</model><active>1</active></cpu><memory>1048576</memory>%s</node>"


@pytest.fixture(scope="module")
def second():
    """Another private host."""
    with PrivateHost() as running:
        yield running


@pytest.fixture
def configure(monkeypatch, tmp_path):
    """Writes a configuration with these hosts."""
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", str(tmp_path / "configuration"))
    (tmp_path / "configuration").mkdir()

    def write(**hosts):
        text = "".join(f'[hosts.{name}]\nuri = "{uri}"\n' for name, uri in hosts.items())
        (tmp_path / "configuration/kimchictl.toml").write_text("[host]\ntimeout = 3\n" + text)

    return write


@pytest.fixture
def made_up(tmp_path):
    """URIs of hosts of libvirt's test driver, each with VMs of these names."""

    def make(*names):
        path = tmp_path / f"{'-'.join(names)}.xml"
        path.write_text(NODE % "".join(DOMAIN % name for name in names))
        return f"test://{path}"

    return make


@pytest.fixture
def silent(tmp_path):
    """The URI of a host that takes calls and never answers."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        yield f"qemu+unix:///system?socket={tmp_path}/s"


def test_a_list_of_several_hosts_says_where_each_is(kimchi, configure, made_up):
    configure(a=made_up("web", "db"), b=made_up("web"))
    for which in (("-c", "a,b"), ("--all-hosts",)):
        rows = kimchi("vm", "list", "-o", "json", *which, status=0).json
        assert [(row["host"], row["name"]) for row in rows] == [("a", "db"), ("a", "web"), ("b", "web")]
    table = kimchi("vm", "list", "--all-hosts", status=0).out
    assert table.split()[:2] == ["HOST", "NAME"]


def test_filters_sorting_and_columns_are_of_the_whole(kimchi, configure, made_up):
    configure(a=made_up("web", "db"), b=made_up("mail"))
    shown = kimchi("vm", "list", "--all-hosts", "--filter", "host=b", "-o", "name", status=0).out
    assert shown == "mail\n"
    columns = ("--columns", "name,host", "--sort", "-name", "-o", "csv")
    assert kimchi("vm", "list", "--all-hosts", *columns, status=0).out == "name,host\nweb,a\nmail,b\ndb,a\n"


def test_a_host_that_never_answers_is_named_and_costs_its_deadline(kimchi, configure, made_up, silent):
    configure(good=made_up("web"), hung=silent, off="qemu+unix:///system?socket=/nonexistent/s")
    began = time.monotonic()
    run = kimchi("vm", "list", "--all-hosts", "-o", "name", status=7)
    assert time.monotonic() - began < 20  # where each host had 3
    assert run.out == "web\n"
    assert "hung: " in run.err and "did not answer in 3 s" in run.err and "off: cannot connect" in run.err


def test_all_that_fail_alike_end_with_their_own_status(kimchi, configure):
    configure(a="qemu+unix:///system?socket=/nonexistent/a", b="qemu+unix:///system?socket=/nonexistent/b")
    assert kimchi("network", "list", "--all-hosts", status=5).out == ""


def test_what_works_on_one_host_refuses_several(kimchi, configure, made_up):
    configure(a=made_up("web"), b=made_up("db"))
    assert "one host at a time" in kimchi("vm", "show", "web", "-c", "a,b", status=2).err
    assert "this machine" in kimchi("iso", "scan", "--deep", "/", "-c", "a,b", status=2).err


def test_a_name_that_nobody_knows_is_wrong_usage(kimchi, configure, made_up):
    configure(a=made_up("web"))
    assert "'nobody'" in kimchi("vm", "list", "-c", "nobody", status=2).err
    assert "a,nobody" in kimchi("vm", "list", "-c", "a,nobody", status=2).err
    configure()
    assert "no hosts are configured" in kimchi("vm", "list", "--all-hosts", status=2).err


def test_uris_go_with_names(kimchi, configure, made_up):
    uri = made_up("web")
    configure(a=made_up("db"))
    rows = kimchi("vm", "list", "-c", f"a,{uri}", "-o", "json", status=0).json
    assert [(row["host"], row["name"]) for row in rows] == [("a", "db"), (uri, "web")]


@pytest.mark.parametrize("noun", ["pool", "network", "volume", "iso", "template"])
def test_every_list_takes_several(kimchi, configure, made_up, noun):
    configure(a=made_up("web"), b=made_up("db"))
    kimchi(noun, "list", "--all-hosts", "-o", "json", status=0)


def test_real_hosts_are_listed_scanned_measured_and_checked_together(host, second, kimchi, configure, tmp_path):
    configure(one=host.uri, two=second.uri)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        make_image(tmp_path / name / "deb.iso", "Debian 12.5.0 amd64 n")
        kimchi("pool", "create", f"p-{name}", "--path", tmp_path / name, "--start", "-c", name, status=0)

    def hosts(*argv, status=None):
        run = kimchi(*argv, "--all-hosts", "-o", "json", status=status)
        return sorted({row["host"] for row in run.json})

    assert hosts("pool", "list", status=0) == ["one", "two"]
    assert hosts("volume", "list", status=0) == ["one", "two"]
    assert hosts("iso", "scan", status=0) == ["one", "two"]
    assert hosts("stats", "show", status=0) == ["one", "two"]
    assert hosts("host", "check") == ["one", "two"]
