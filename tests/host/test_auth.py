"""Who one is: passwords, certificates, keys and permissions, each right, wrong, missing and expired."""

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.authorities import Authority, pki
from lab.host import PrivateHost
from lab.sshd import SSHD, SshServer

SECRET = "correct horse"  # noqa: S105 - of a test
WRONG = "battery staple"
SASLPASSWD = "/usr/sbin/saslpasswd2"
CHECKOUT = Path(__file__).parents[2]


def command(*argv):
    return [sys.executable, "-m", "kimchictl", *map(str, argv)]


# ---- passwords


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A host whose socket wants a name and a password: fred and SECRET."""
    if not os.path.exists(SASLPASSWD):
        pytest.skip("saslpasswd2 is not installed")
    sasl = tmp_path_factory.mktemp("sasl")
    (sasl / "libvirt.conf").write_text(f"mech_list: scram-sha-256\nsasldb_path: {sasl}/passwd.db\n")
    make = [SASLPASSWD, "-p", "-c", "-u", "private-host", "-a", "libvirt", "-f", f"{sasl}/passwd.db", "fred"]
    subprocess.run(make, input=SECRET.encode(), check=True)
    os.environ["SASL_CONF_PATH"] = str(sasl)
    try:
        with PrivateHost(settings='auth_unix_rw = "sasl"\nauth_unix_ro = "sasl"\n') as running:
            yield running
    finally:
        del os.environ["SASL_CONF_PATH"]


@pytest.fixture
def descriptor(tmp_path):
    """Makes an open descriptor with a content."""
    opened = []

    def make(content):
        (tmp_path / "given").write_text(content)
        opened.append(os.open(tmp_path / "given", os.O_RDONLY))
        return opened[-1]

    yield make
    for fd in opened:
        os.close(fd)


def test_the_right_password_comes_from_a_descriptor(secured, kimchi, descriptor):
    fd = descriptor(f"fred\n{SECRET}\n")
    kimchi("vm", "list", "-c", secured.uri, "--password-fd", fd, status=0)


def test_a_wrong_password_is_refused_and_not_repeated(secured, kimchi, descriptor):
    run = kimchi("vm", "list", "-c", secured.uri, "--password-fd", descriptor(f"fred\n{WRONG}\n"), "-v", status=5)
    assert "authentication failed" in run.err and "check the user name and the password" in run.err
    assert WRONG not in run.err and WRONG not in secured.log()


def test_an_unknown_user_is_refused_alike(secured, kimchi, descriptor):
    run = kimchi("vm", "list", "-c", secured.uri, "--password-fd", descriptor(f"nobody\n{SECRET}\n"), status=5)
    assert SECRET not in run.err


def test_without_a_terminal_it_is_said_where_a_password_may_come_from(secured, kimchi):
    run = kimchi("vm", "list", "-c", secured.uri, status=5)
    assert "asks for a password" in run.err and "--password-fd" in run.err


@pytest.mark.parametrize("content", ["", "\n", "a\nb\nc\n", "x" * 5000], ids=["empty", "blank", "three", "long"])
def test_a_descriptor_that_holds_no_password_is_wrong_usage(secured, kimchi, descriptor, content):
    assert "xxxx" not in kimchi("vm", "list", "-c", secured.uri, "--password-fd", descriptor(content), status=2).err


def test_a_descriptor_that_is_not_open_is_wrong_usage(secured, kimchi):
    kimchi("vm", "list", "-c", secured.uri, "--password-fd", 987, status=2)


def test_a_password_in_a_uri_is_refused_and_not_repeated(kimchi):
    run = kimchi("vm", "list", "-c", f"qemu+tcp://fred:{WRONG.replace(' ', '-')}@localhost/system", status=2)
    assert "battery" not in run.err


def auth_file(tmp_path, password):
    path = tmp_path / "auth.conf"
    path.write_text(f"[credentials-x]\nauthname=fred\npassword={password}\n[auth-libvirt-default]\ncredentials=x\n")
    return path


def test_libvirt_s_own_file_of_credentials_is_used(secured, kimchi, tmp_path):
    uri = f"{secured.uri}&authfile={auth_file(tmp_path, SECRET)}"
    kimchi("vm", "list", "-c", uri, status=0)
    auth_file(tmp_path, WRONG)
    assert WRONG not in kimchi("vm", "list", "-c", uri, status=5).err


def test_a_file_of_credentials_that_is_missing_or_damaged_is_named(secured, kimchi, tmp_path):
    uri = f"{secured.uri}&authfile={tmp_path}/auth.conf"
    assert f"{tmp_path}/auth.conf cannot be read" in kimchi("vm", "list", "-c", uri, status=5).err
    (tmp_path / "auth.conf").write_text(f"[credentials-x]\n{SECRET}\n")
    run = kimchi("vm", "list", "-c", uri, status=5)
    assert "damaged in line 2" in run.err and SECRET not in run.err


@pytest.mark.parametrize(("typed", "status"), [(SECRET, 0), (WRONG, 5)])
def test_a_person_at_a_terminal_is_asked_and_what_is_typed_is_not_shown(secured, typed, status):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command("vm", "list", "-c", secured.uri))  # noqa: S606
    said = b""
    for prompt, answer in ((b"name: ", "fred"), (b"password: ", typed)):
        until = time.monotonic() + 30
        while prompt not in said and time.monotonic() < until and select.select([terminal], [], [], 1):
            said += os.read(terminal, 1024)
        os.write(terminal, f"{answer}\n".encode())
    try:
        while some := os.read(terminal, 1024):
            said += some
    except OSError:
        pass  # it ended
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == status, said
    assert typed.encode() not in said


# ---- certificates


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """Two authorities, and what they signed: name -> (certificate, key)."""
    directory = tmp_path_factory.mktemp("pki")
    known, stranger = Authority(directory), Authority(directory, "stranger")
    made = {
        "server": known.sign("server"),
        "expired-server": known.sign("expired-server", days=-1),
        "other-server": known.sign("other-server", host="elsewhere.example"),
        "client": known.sign("client", host="client"),
        "expired": known.sign("expired", host="client", days=-1),
        "strange": stranger.sign("strange", host="client"),
    }
    return known, stranger, made


@pytest.fixture(scope="module")
def tls(signed):
    """A host that listens for TLS and wants a client certificate."""
    known, _, made = signed
    with PrivateHost(settings=known.settings(*made["server"])) as running:
        yield running


def over_tls(host, directory):
    """Lists VMs from inside the host's network."""
    uri = f"qemu+tls://localhost/system?pkipath={directory}"
    return host.run(command("vm", "list", "-c", uri), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("certificate", "key", "authority", "said"),
    [
        ("client", "client", "known", None),
        ("expired", "expired", "known", "has expired"),
        ("strange", "strange", "known", "another authority"),
        ("client", None, "known", "clientkey.pem is missing"),
        (None, None, "known", "clientcert.pem"),
        ("client", "server", "known", "do not match"),
        ("client", "client", None, "Cannot read CA certificate"),
        (None, None, "strange", "the host's certificate is not accepted"),
    ],
)
def test_each_fault_of_a_client_s_certificate_is_named(tls, signed, tmp_path, certificate, key, authority, said):
    known, stranger, made = signed
    authorities = {"known": known.certificate, "strange": stranger.certificate, None: None}
    pair = made[certificate][0] if certificate else None, made[key][1] if key else None
    run = over_tls(tls, pki(tmp_path / "pki", authorities[authority], *pair))
    assert run.returncode == (0 if said is None else 5), run.stderr
    assert said is None or said in run.stderr
    assert len(run.stderr.splitlines()) <= 2, run.stderr  # an error and a hint, and nothing of libvirt's own


@pytest.mark.parametrize(("server", "said"), [("expired-server", "expired"), ("other-server", "mismatch")])
def test_each_fault_of_the_host_s_certificate_is_named(signed, tmp_path, server, said):
    known, _, made = signed
    with PrivateHost(settings=known.settings(*made[server])) as host:
        run = over_tls(host, pki(tmp_path / "pki", known.certificate, *made["client"]))
    assert run.returncode == 5 and said in run.stderr, run.stderr


# ---- ssh


@pytest.fixture
def ssh(private_host):
    if SSHD is None:
        pytest.skip("sshd is not installed")
    with SshServer(private_host) as server:
        yield server


def test_a_key_that_is_known_opens_and_a_wrong_or_missing_one_does_not(ssh, kimchi):
    directory = ssh._directory
    kimchi("vm", "list", "-c", ssh.uri, status=0)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / "other")], check=True)
    for key in ("other", "none"):
        uri = ssh.uri.replace(f"keyfile={directory}/key&", f"keyfile={directory}/{key}&")
        run = kimchi("vm", "list", "-c", uri, status=5)
        assert "Permission denied (publickey)" in run.err and "ssh-copy-id" in run.err


def test_a_host_whose_key_is_unknown_or_another_one_is_refused_without_a_question(ssh, kimchi):
    known_hosts = ssh._directory / "known_hosts"
    known = known_hosts.read_text()
    known_hosts.write_text("")
    assert "the key of the host is not known" in kimchi("vm", "list", "-c", ssh.uri, status=5).err
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(ssh._directory / "other")], check=True)
    known_hosts.write_text(f"{known.split()[0]} {(ssh._directory / 'other.pub').read_text()}")
    run = kimchi("vm", "list", "-c", ssh.uri, status=5)
    assert "another one than the known one" in run.err and "ssh-keygen -R 127.0.0.1" in run.err


def test_an_agent_has_the_key(ssh, kimchi, monkeypatch, tmp_path):
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "a")], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "a"))
    script = ssh._directory / "ssh"
    script.write_text(script.read_text().replace("-o IdentitiesOnly=yes ", ""))
    uri = ssh.uri.replace(f"keyfile={ssh._directory}/key&", "")
    try:
        while not (tmp_path / "a").exists():
            time.sleep(0.02)
        kimchi("vm", "list", "-c", uri, status=5)
        subprocess.run(["ssh-add", "-q", str(ssh._directory / "key")], check=True)
        kimchi("vm", "list", "-c", uri, status=0)
    finally:
        agent.terminate()
        agent.wait()


# ---- permissions


# In mounts of its own the checkout $0 is all that there is below $1, which others may enter there.
OPENED = """
mount --bind "$0" /mnt && mount -t tmpfs -o mode=755 tmpfs "$1" && mkdir -p "$0" && mount --bind /mnt "$0" &&
cd / && shift && exec "$@"
"""


def to_be_entered_by_all(checkout):
    """What to put before a command line, so that others can run what lies in `checkout`, be it below /root."""
    closed = [place for place in reversed(checkout.parents) if not place.stat().st_mode & stat.S_IXOTH]
    opened = ["unshare", "--mount", "--propagation=private", "sh", "-c", OPENED, str(checkout)]
    return [*opened, str(closed[0])] if closed else []


@pytest.fixture
def as_nobody(private_host, tmp_path):
    """Runs kimchictl as a user without any rights."""
    for directory in (private_host.root, private_host.root / "run", tmp_path):
        directory.chmod(0o755)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    before = [*to_be_entered_by_all(CHECKOUT), *nobody]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}

    def run(*argv, uri=private_host.uri):
        full = [*before, *command(*argv, "-c", uri)]
        return subprocess.run(full, env=environment, cwd="/", capture_output=True, text=True, timeout=60)

    return run


def test_who_may_only_read_gets_the_lists_and_is_told(as_nobody):
    run = as_nobody("vm", "list")
    assert run.returncode == 0 and "you may only read" in run.stderr, run.stderr


def test_the_doctor_says_that_one_may_only_read_and_what_would_change_it(as_nobody):
    run = as_nobody("host", "check", "-o", "json")
    (finding,) = [finding for finding in json.loads(run.stdout) if finding["name"] == "libvirt"]
    assert finding["status"] == "warn" and "usermod -aG" in finding["fix"]


def test_who_may_not_change_is_told_which_group_may(as_nobody, private_host):
    assert "group libvirt" in (run := as_nobody("network", "start", "default")).stderr
    assert run.returncode == 5
    sock = private_host.root / "run/libvirt-sock"
    os.chown(sock, 0, 1)
    sock.chmod(0o770)
    try:
        assert "usermod -aG daemon nobody" in as_nobody("network", "start", "default").stderr
    finally:
        os.chown(sock, 0, 0)
        sock.chmod(0o700)
