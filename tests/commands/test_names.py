"""What a shell is offered: files where a path belongs, else the names of what there is."""

import re

import click
import pytest
from click.shell_completion import BashComplete

from kimchictl.app import App
from kimchictl.cli import kimchictl
from kimchictl.commands.names import VARIABLE
from lab.commands import commands

PLACES = {"file", "source", "sources", "path", "paths", "--path", "--cdrom", "--image", "--file", "--backing", "--url"}
PATHS = {"FILE", "DIR", "DIRECTORY", "PATH", "SOURCE", "DISK", "DEV"}
MADE_UP = """<node>
  <domain type="test" xmlns:test="http://libvirt.org/schemas/domain/test/1.0">
    <name>web</name><memory>8192</memory><os><type>hvm</type></os>
    <devices>
      <disk type="file" device="disk"><source file="/a"/><target dev="vda" bus="virtio"/></disk>
      <disk type="file" device="disk"><source file="/b"/><target dev="vdb" bus="virtio"/></disk>
      <disk type="file" device="cdrom"><target dev="sda" bus="sata"/></disk>
      <interface type="user"><mac address="52:54:00:00:00:01"/></interface>
    </devices>
    <test:domainsnapshot><name>before</name><state>shutoff</state><creationTime>1</creationTime><active>1</active>
      <domain type="test"><name>web</name><memory>8192</memory><os><type>hvm</type></os></domain>
    </test:domainsnapshot></domain>
  <pool type="dir"><name>isos</name><target><path>/isos</path></target>
    <volume><name>one a.iso</name><capacity>1</capacity></volume>
    <volume><name>two.iso</name><capacity>1</capacity></volume></pool>
  <pool type="dir"><name>empty</name><target><path>/empty</path></target></pool>
  <network><name>lan</name></network>
</node>"""


def offered(*words):
    """(type, value) of all that is offered for the last of `words`."""
    with App() as app:
        found = BashComplete(kimchictl, {"obj": app}, "kimchictl", VARIABLE).get_completions([*words[:-1]], words[-1])
        return [(item.type, item.value) for item in found]


@pytest.fixture
def host(tmp_path):
    (tmp_path / "node.xml").write_text(MADE_UP)
    return "-c", f"test://{tmp_path}/node.xml"


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("vm", "show", ""), ["web"]),
        (("vm", "snapshot", "show", "web", ""), ["before"]),
        (("vm", "snapshot", "revert", "web", ""), ["before"]),
        (("vm", "snapshot", "delete", "web", ""), ["before"]),
        (("vm", "snapshot", "delete", "web", "before", ""), []),
        (("vm", "disk", "detach", "web", ""), ["vda", "vdb"]),
        (("vm", "disk", "resize", "web", "vdb"), ["vdb"]),
        (("vm", "disk", "detach", "nosuch", ""), []),
        (("vm", "nic", "detach", "web", ""), ["52:54:00:00:00:01"]),
        (("vm", "nic", "set", "web", "--link", "up", "52:"), ["52:54:00:00:00:01"]),
        (("vm", "cdrom", "eject", "web", "--target", ""), ["sda"]),
        (("vm", "cdrom", "insert", "web", "pool:isos/two.iso", "--target", ""), ["sda"]),
        (("vm", "cdrom", "eject", "--target", ""), []),
        (("pool", "show", ""), ["empty", "isos"]),
        (("network", "show", ""), ["lan"]),
        (("vm", "nic", "attach", "web", "l"), ["lan"]),
        (("volume", "download", "isos", ""), ["one a.iso", "two.iso"]),
        (("volume", "delete", "isos", "two.iso", ""), ["one a.iso"]),
        (("volume", "delete", "nosuch", ""), []),
        (("iso", "probe", "pool:"), ["pool:isos/one a.iso", "pool:isos/two.iso"]),
        (("template", "create", "--cdrom", "pool:isos/t"), ["pool:isos/two.iso"]),
    ],
)
def test_the_names_of_what_is_on_the_host_are_offered(host, kimchi, words, names):
    assert offered(*host, *words) == [("plain", name) for name in names]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("",), ["iso", "places"]),
        (("p",), ["pool", "places"]),
        (("vm", "sn"), ["snapshot"]),
        (("vm", "create", ""), []),
        (("nosuch", ""), []),
    ],
)
def test_help_is_offered_for_subjects_and_commands(kimchi, words, names):
    found = [value for _, value in offered("help", *words)]
    assert (found[:1] + found[-1:] if len(found) > 1 else found) == names


def test_the_configured_hosts_are_offered(kimchi, monkeypatch, tmp_path):
    (tmp_path / "kimchictl.toml").write_text('[hosts.far]\nuri = "test:///default"\n')
    monkeypatch.setenv("KIMCHI_CONFIG_DIR", str(tmp_path))
    assert offered("-c", "f") == [("plain", "far")]


def is_path(param):
    first = re.split(r"\W+", (param.metavar or "").lstrip("["))[0]
    return bool(PLACES.intersection(param.opts)) or first in PATHS


def test_wherever_a_path_belongs_files_are_offered():
    paths = [(path, param) for path, command in commands() for param in command.params if is_path(param)]
    context = click.Context(kimchictl)
    kinds = {
        (*path, param.opts[0]): [item.type for item in param.shell_complete(context, "/")]
        for path, param in paths
        if (path, param.name) != (("iso", "forget"), "paths")  # of images that are gone
    }
    assert len(kinds) > 25
    assert [where for where, kind in kinds.items() if kind not in (["file"], ["dir"])] == []
