"""Guests that boot from servers on the host's own loopback, streamed or fetched; and what the host's qemu can open."""

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import libvirt
import pytest

from host.conftest import empty
from kimchictl.actions.vms.create.stream_support import probe_machine
from kimchictl.virt.connection import open_host
from kimchictl.virt.streaming import LIBVIRT_PROTOCOLS, opens_there
from lab.certificates import AUTHORITY, GOOD
from lab.host import PrivateHost
from lab.images import BOOT_OK, PAYLOAD, make_image
from lab.run import Run
from lab.web import Served, WebServer

MODULES = "/usr/lib/x86_64-linux-gnu/qemu"
LABEL = "Debian 12.5.0 amd64 n"
TESTS = Path(__file__).parent.parent
PASSWORD = "s3cret word"  # noqa: S105
NGINX = """\
daemon off; user root; error_log {root}/error.log; pid {root}/nginx.pid;
events {{ }}
http {{
  access_log {root}/access.log;
  log_format plain '$request_method $request_uri $status $remote_user';
  access_log {root}/plain.log plain;
  server {{
    listen 127.0.0.1:8080; listen 127.0.0.1:8443 ssl;
    ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.pem;
    root {root}/files;
    location /private/ {{ auth_basic x; auth_basic_user_file {root}/users; }}
    location /whole/ {{ max_ranges 0; }}
  }}
}}
"""


class Lab:
    """A host with servers on its loopback; `kimchi` runs a command line there."""

    def __init__(self, host: PrivateHost, root: Path) -> None:
        self.host, self.root = host, root
        self.image = root / "files/a.iso"
        self.ftp_port = 0

    def kimchi(self, *argv, status=None):
        command = [sys.executable, "-m", "kimchictl", *argv, "-c", self.host.uri]
        options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 90}
        ended = self.host.run(command, **options)
        assert "Traceback" not in ended.stderr, ended.stderr
        if status is not None:
            assert ended.returncode == status, f"{argv} ended with {ended.returncode}: {ended.stderr}"
        return Run(ended.returncode, ended.stdout, ended.stderr)

    def asked(self):
        """What nginx was asked since the last time, "GET /a.iso 206 -" each."""
        log = self.root / "plain.log"
        lines = log.read_text().splitlines()
        log.write_text("")
        return lines

    def template(self, url, *options, name="deb"):
        small = ("--memory", "512M", "--disk", "none", "--network", "user", "--virt-type", "qemu")
        self.kimchi("template", "create", name, "--cdrom", url, *small, *options, status=0)

    def source(self, name="web"):
        return self.kimchi("vm", "show", name, "-o", "json", status=0).json["disks"][0]["source"]

    def boots(self, name="web"):
        """The guest prints the payload that it read from its CD, and powers itself off."""
        said = self.kimchi("vm", "start", name, "--console").out
        assert f"{BOOT_OK} {PAYLOAD}" in said  # its last words libvirt may lose, where it is off at once
        return True


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """The host and its servers, for all tests here. It trusts the tests' authority, as qemu does then."""
    root = tmp_path_factory.mktemp("lab")
    (root / "files/private").mkdir(parents=True)
    (root / "files/whole").mkdir()
    (root / "server.pem").write_text(GOOD)
    (root / "nginx.conf").write_text(NGINX.format(root=root))
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD], capture_output=True, text=True, check=True).stdout
    (root / "users").write_text(f"somebody:{hashed}")
    make_image(root / "files/a.iso", LABEL, poweroff=True)
    for directory in ("private", "whole"):
        shutil.copy(root / "files/a.iso", root / "files" / directory)
    with PrivateHost() as host:
        trust(host, root)
        lab = Lab(host, root)
        nginx = host.popen(["nginx", "-p", root, "-c", root / "nginx.conf"])
        ftp = host.popen(
            [sys.executable, "-m", "lab.ftp", root / "files", root / "ftp.log"],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
        )
        lab.ftp_port = int(ftp.stdout.readline())
        while not (root / "nginx.pid").exists():
            time.sleep(0.02)
        yield lab
        ftp.terminate()
        nginx.terminate()


def trust(host, root):
    """Makes the tests' authority one of the system's own, in both forms, as update-ca-certificates does."""
    shutil.copytree("/etc/ssl/certs", root / "certs", symlinks=True)
    with open(root / "certs/ca-certificates.crt", "a") as bundle:
        bundle.write(AUTHORITY)
    (root / "authority.pem").write_text(AUTHORITY)
    command = ["openssl", "x509", "-hash", "-noout", "-in", root / "authority.pem"]
    digest = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    shutil.copy(root / "authority.pem", root / f"certs/{digest}.0")
    host.run(["mount", "--bind", root / "certs", "/etc/ssl/certs"], check=True)


@pytest.fixture
def lab(running, tmp_path):
    """The same with an empty pool, and empty again afterwards."""
    running.asked()
    running.kimchi("pool", "create", "default", "--path", tmp_path / "pool", "--start", status=0)
    yield running
    empty(running.host.uri)


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """qemu's drivers but for block-curl.so."""
    directory = tmp_path_factory.mktemp("modules")
    for module in Path(MODULES).glob("*.so"):
        if module.name != "block-curl.so":
            shutil.copy2(module, directory)
    return directory


@contextlib.contextmanager
def hidden(lab, modules):
    """As long as this lasts, qemu has no driver for URLs."""
    lab.host.run(["mount", "--bind", modules, MODULES], check=True)
    try:
        yield
    finally:
        lab.host.run(["umount", MODULES], check=True)


@contextlib.contextmanager
def switched_on(lab, name):
    """The VM is on, paused, as long as this lasts."""
    connection = libvirt.open(lab.host.uri)
    domain = connection.lookupByName(name)
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    try:
        yield
    finally:
        domain.destroy()
        connection.close()


def secrets(lab):
    connection = libvirt.open(lab.host.uri)
    try:
        return [secret.usageID() for secret in connection.listAllSecrets()]
    finally:
        connection.close()


# -- what the host can do


def test_each_protocol_is_told_and_remembered(lab):
    told = lab.kimchi("host", "capabilities", "-o", "json", status=0).json
    assert told["protocols"] == [
        {"protocol": name, "libvirt": True, "qemu": True} for name in ("ftp", "ftps", "http", "https")
    ]
    assert told["missing_package"] is None and told["snapshots"] and told["screenshot"] and told["tpm"] is not None
    (remembered,) = Path(os.environ["KIMCHI_CACHE_DIR"]).glob("streaming-*.json")
    assert sorted(json.loads(remembered.read_text())["opens"]) == ["ftp", "ftps", "http", "https"]


def test_without_the_driver_its_package_is_named_and_images_are_fetched(lab, modules):
    lab.template("http://localhost:8080/a.iso")
    with hidden(lab, modules):
        told = lab.kimchi("host", "capabilities", "-o", "json", status=0).json
        refused = lab.kimchi("vm", "create", "web", "--template", "deb", "--media", "stream", status=1)
        said = lab.kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert (
        told["qemu_protocols"] == [] and told["libvirt_protocols"] and told["missing_package"].startswith("qemu-block")
    )
    assert "no driver for http" in refused.err and "qemu-block" in refused.err
    assert "the image is to be fetched into pool 'default': qemu has no driver for http" in said
    assert lab.boots()


@pytest.mark.parametrize("url", ["http://localhost:8080/nosuch.iso", "ftp://localhost:9/a.iso"])
def test_an_image_that_no_server_gives_is_said_to_be_neither_fetched_nor_streamed(lab, url):
    lab.template(url, "--no-check")
    for option in ((), ("--dry-run",)):
        said = lab.kimchi("vm", "create", "web", "--template", "deb", *option, status=1).err
        assert "kimchictl: error: " in said and url in said and "fetched" not in said
    shown = lab.kimchi("vm", "create", "web", "--template", "deb", "--print-xml", status=0)
    assert url.rpartition("/")[2] in shown.out and "shown as streamed" in shown.err


def test_another_host_is_asked_with_a_guest_that_never_runs(lab, modules):
    with open_host(lab.host.uri) as host:
        machine = probe_machine(host)
        with hidden(lab, modules):
            assert [opens_there(host, machine, name) for name in LIBVIRT_PROTOCOLS] == [False] * 4
        assert [opens_there(host, machine, name) for name in LIBVIRT_PROTOCOLS] == [True] * 4
        assert host.conn.listAllDomains() == []


# -- streaming


@pytest.mark.parametrize("url", ["http://localhost:8080/a.iso", "https://localhost:8443/a.iso?x=1&y=2"])
def test_a_guest_boots_from_a_web_server(lab, url):
    lab.template(url)
    lab.asked()
    said = lab.kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert f"the image is streamed from {url}" in said and lab.source() == url
    lab.asked()
    assert lab.boots()
    path = url.partition("80/")[2] or "a.iso?x=1&y=2"
    asked = lab.asked()
    assert asked[0] == f"HEAD /{path} 200 -" and f"GET /{path} 206 -" in asked


def test_a_guest_boots_from_an_ftp_server(lab):
    lab.template(f"ftp://localhost:{lab.ftp_port}/a.iso")
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    assert lab.source() == f"ftp://localhost:{lab.ftp_port}/a.iso"
    (lab.root / "ftp.log").write_text("")
    assert lab.boots()
    time.sleep(0.2)
    assert "a.iso" in (lab.root / "ftp.log").read_text()


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    """Writes the credentials file."""

    def write(password):
        (tmp_path / "netrc").write_text(f'machine localhost login somebody password "{password}"\n')
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("KIMCHICTL_NET_NETRC", str(tmp_path / "netrc"))

    return write


def test_a_password_is_a_private_secret_that_lives_as_long_as_the_vm(lab, netrc):
    netrc(PASSWORD)
    lab.template("http://localhost:8080/private/a.iso")
    said = lab.kimchi("vm", "create", "web", "--template", "deb", "--debug", status=0)
    assert PASSWORD not in said.err + said.out and "streamed" in said.err
    (usage,) = secrets(lab)
    connection = libvirt.open(lab.host.uri)
    document = connection.lookupByName("web").XMLDesc(libvirt.VIR_DOMAIN_XML_SECURE)
    assert PASSWORD not in document and usage in document
    with pytest.raises(libvirt.libvirtError, match="private"):
        connection.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_ISCSI, usage).value()
    connection.close()
    lab.asked()
    assert lab.boots() and "GET /private/a.iso 206 somebody" in lab.asked()
    assert usage in lab.kimchi("vm", "delete", "web", "--yes", status=0).err
    assert secrets(lab) == []


def test_a_secret_stays_as_long_as_another_vm_names_it(lab, netrc):
    netrc(PASSWORD)
    lab.template("http://localhost:8080/private/a.iso")
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    connection = libvirt.open(lab.host.uri)
    document = connection.lookupByName("web").XMLDesc(0).replace("<name>web<", "<name>twin<")
    connection.defineXML(re.sub("<uuid>.*?</uuid>|<mac .*?/>", "", document))
    connection.close()
    lab.kimchi("vm", "delete", "web", "--yes", status=0)
    assert len(secrets(lab)) == 1
    lab.kimchi("vm", "delete", "twin", "--yes", status=0)
    assert secrets(lab) == []


def test_a_start_that_fails_takes_its_secret_back(lab, netrc):
    netrc("wrong")
    lab.template("http://localhost:8080/private/a.iso", "--no-check", "--os-distro", "debian", "--os-version", "12")
    lab.kimchi("vm", "create", "web", "--template", "deb", "--media", "stream", "--start", status=1)
    assert secrets(lab) == [] and lab.kimchi("vm", "list", "-o", "json").json == []


# -- fetching


def test_what_cannot_be_streamed_is_fetched_once(lab, tmp_path):
    lab.template("http://localhost:8080/whole/a.iso")
    said = lab.kimchi("vm", "create", "web", "--template", "deb", status=0).err
    assert "the server does not give parts of a file" in said
    assert (tmp_path / "pool/a.iso").read_bytes() == lab.image.read_bytes() and lab.boots()
    lab.asked()
    said = lab.kimchi("vm", "create", "db", "--template", "deb", status=0).err
    assert "there already" in said and os.listdir(tmp_path / "pool") == ["a.iso"]


def test_a_checksum_is_verified_and_an_image_of_that_checksum_is_not_fetched(lab, tmp_path):
    digest = hashlib.sha256(lab.image.read_bytes()).hexdigest()
    lab.template("http://localhost:8080/a.iso")
    edit(lab, "deb", checksum="sha256:" + "0" * 64)
    lab.kimchi("vm", "create", "web", "--template", "deb", "--media", "fetch", status=4)
    assert os.listdir(tmp_path / "pool") == [] and lab.kimchi("vm", "list", "-o", "json").json == []
    edit(lab, "deb", checksum=f"sha256:{digest}")
    shutil.copy(lab.image, tmp_path / "pool/under another name.iso")
    lab.asked()
    lab.kimchi("vm", "create", "web", "--template", "deb", "--media", "fetch", status=0)
    assert lab.source() == str(tmp_path / "pool/under another name.iso")
    assert not [line for line in lab.asked() if line.startswith("GET")]


def edit(lab, name, **keys):
    path = Path(os.environ["KIMCHI_CONFIG_DIR"]) / f"templates/{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_another_image_of_the_same_name_is_left_alone(lab, tmp_path):
    (tmp_path / "pool/a.iso").write_bytes(b"mine" * 20000)
    lab.template("http://localhost:8080/a.iso")
    lab.kimchi("vm", "create", "web", "--template", "deb", "--media", "fetch", status=0)
    assert re.fullmatch(r"a-[0-9a-f]{8}\.iso", Path(lab.source()).name)
    assert (tmp_path / "pool/a.iso").read_bytes().startswith(b"mine")


def test_a_mirror_is_streamed_from_where_the_first_address_is_dead(lab):
    lab.template("http://localhost:8080/a.iso")
    edit(lab, "deb", cdrom="http://localhost:9/a.iso", mirrors=["https://localhost:8443/a.iso"])
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    assert lab.source() == "https://localhost:8443/a.iso"
    edit(lab, "deb", checksum="sha256:" + "0" * 64)
    said = lab.kimchi("vm", "create", "db", "--template", "deb", status=0).err
    assert "streamed" in said and "its checksum is not verified" in said


def test_a_server_that_is_gone_leaves_nothing(lab, tmp_path):
    lab.template("http://localhost:8080/nosuch.iso", "--no-check", "--os-distro", "debian", "--os-version", "12")
    lab.kimchi("vm", "create", "web", "--template", "deb", status=1)
    assert os.listdir(tmp_path / "pool") == [] and lab.kimchi("vm", "list", "-o", "json").json == []


def test_who_interrupts_a_fetch_finds_nothing_of_it(lab, tmp_path):
    """The server is this process's: with a signal, kimchictl runs here, too."""
    with WebServer() as server:
        server.files["/a.iso"] = Served(lab.image.read_bytes(), hang_after=20_000)
        options = ("--no-check", "--os-distro", "debian", "--os-version", "12")
        lab.template(server.url("/a.iso"), *options)
        argv = ["vm", "create", "web", "--template", "deb", "--media", "fetch", "-c", lab.host.uri]
        process = subprocess.Popen([sys.executable, "-m", "kimchictl", *argv], stderr=subprocess.PIPE)
        while server.sent() < 20_000 or not os.listdir(tmp_path / "pool"):
            assert process.poll() is None
            time.sleep(0.02)
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 143 and os.listdir(tmp_path / "pool") == []


def test_a_dry_run_and_print_xml_say_what_would_happen_and_fetch_nothing(lab, tmp_path):
    lab.template("http://localhost:8080/whole/a.iso")
    lab.asked()
    for options in (("--dry-run",), ("--dry-run", "-o", "json"), ("--print-xml",), ("--print-xml", "--media", "fetch")):
        said = lab.kimchi("vm", "create", "web", "--template", "deb", *options, status=0)
        assert f"{tmp_path}/pool/a.iso" in said.out or "fetched into pool 'default'" in said.out
    assert {line.split()[0] for line in lab.asked()} == {"HEAD"} and os.listdir(tmp_path / "pool") == []


# -- media of a VM that exists


def test_a_medium_that_goes_in_later_is_streamed_with_its_password_or_fetched_alike(lab, netrc):
    lab.template("http://localhost:8080/a.iso")
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    netrc(PASSWORD)
    said = lab.kimchi("vm", "cdrom", "insert", "web", "http://localhost:8080/private/a.iso", status=0).err
    assert "is streamed" in said and PASSWORD not in said and len(secrets(lab)) == 1
    lab.asked()
    assert lab.boots() and "GET /private/a.iso 206 somebody" in lab.asked()
    said = lab.kimchi("vm", "cdrom", "insert", "web", "http://localhost:8080/whole/a.iso", status=0).err
    assert "does not give parts" in said and lab.source().endswith("/pool/a.iso") and lab.boots()
    assert secrets(lab) == []
    lab.kimchi("vm", "cdrom", "insert", "web", "http://localhost:8080/whole/a.iso", "--media", "stream", status=1)
    lab.kimchi("vm", "cdrom", "insert", "web", "http://localhost:8080/a.iso", "--media", "fetch", status=0)
    assert lab.source().endswith("/pool/a.iso")


def test_a_password_stays_as_long_as_the_vm_names_it_whatever_it_is_called(lab, netrc):
    lab.template("http://localhost:8080/private/a.iso", "--os-distro", "debian", "--os-version", "12", "--no-check")
    netrc(PASSWORD)
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    lab.kimchi("vm", "edit", "web", "--name", "db", status=0)
    assert len(secrets(lab)) == 1 and lab.boots("db")
    lab.kimchi("vm", "cdrom", "eject", "db", status=0)
    assert secrets(lab) == []
    lab.kimchi("vm", "cdrom", "insert", "db", "http://localhost:8080/private/a.iso", status=0)
    with switched_on(lab, "db"):
        lab.kimchi("vm", "cdrom", "eject", "db", "--next-start", status=0)
        assert len(secrets(lab)) == 1
    lab.kimchi("vm", "edit", "db", "--name", "web", status=0)
    assert secrets(lab) == []


def test_a_password_that_no_vm_names_any_more_goes_with_the_vm_it_was_for_or_its_clone(lab, netrc):
    lab.template("http://localhost:8080/private/a.iso", "--os-distro", "debian", "--os-version", "12", "--no-check")
    netrc(PASSWORD)
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    lab.kimchi("vm", "edit", "web", "--name", "db", status=0)
    lab.kimchi("vm", "clone", "db", "twin", status=0)
    lab.kimchi("vm", "delete", "db", "--yes", status=0)
    assert len(secrets(lab)) == 1 and lab.boots("twin")  # its value is still what it was
    with switched_on(lab, "twin"):
        lab.kimchi("vm", "cdrom", "eject", "twin", "--next-start", status=0)
    assert len(secrets(lab)) == 1  # nobody was asked when it went off
    assert secrets(lab)[0] in lab.kimchi("vm", "delete", "twin", "--yes", status=0).err
    assert secrets(lab) == []


def test_a_medium_that_cannot_go_in_leaves_no_secret_and_fetches_nothing(lab, netrc, tmp_path):
    lab.template("http://localhost:8080/a.iso")
    lab.kimchi("vm", "create", "web", "--template", "deb", status=0)
    netrc(PASSWORD)
    url = "http://localhost:8080/whole/a.iso"
    lab.kimchi("vm", "cdrom", "insert", "none", url, status=3)
    lab.kimchi("vm", "cdrom", "insert", "web", url, "--target", "sdz", status=3)
    assert os.listdir(tmp_path / "pool") == [] and secrets(lab) == []
