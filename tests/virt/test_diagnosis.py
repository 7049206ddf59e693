"""What was said when a connection could not be opened, and what is made of it."""

import pytest

from kimchictl.virt.diagnosis import explain, is_refused

SSH, LOCAL, TLS = "qemu+ssh://root@far/system", "qemu+unix:///system?socket=/nonexistent/s", "qemu+tls://far/system"
CHANGED = (
    "Cannot recv data: @@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@\r\n"
    "Host key verification failed.: Connection reset by peer"
)


@pytest.mark.parametrize(
    ("uri", "message", "reason", "hint"),
    [
        (SSH, "Cannot recv data: Host key verification failed.: Connection reset by peer", "not known", "log in once"),
        (SSH, CHANGED, "another one than the known", "ssh-keygen -R far"),
        (SSH, "Cannot recv data: root@far: Permission denied (publickey).: Reset", "refused", "ssh-copy-id far"),
        (SSH, "Cannot recv data: ssh: Could not resolve hostname far: unknown: Reset", "far", "check the name"),
        (SSH, "Cannot find 'ssh' in path: No such file or directory", "no ssh here", "install openssh-client"),
        (LOCAL, "Failed to connect socket to '/x': No such file or directory", "No such file", "test:///default"),
        (LOCAL, "Failed to connect socket to '/x': Permission denied", "Permission denied", "usermod -aG libvirt"),
        (LOCAL, "authentication unavailable: no polkit agent available", "polkit", "usermod -aG libvirt"),
        (LOCAL, "internal error: Unable to get system bus connection: No such file or directory", "bus", "start dbus"),
        (TLS, "The client certificate /x/clientcert.pem has expired", "expired", "renewed"),
        (TLS, "Unable to read TLS confirmation: Input/output error", "client certificate", ""),
        (LOCAL, "", "no reason given", "libvirtd"),
    ],
)  # fmt: skip
def test_each_gets_a_reason_in_one_line_and_what_helps(uri, message, reason, hint):
    told = explain(uri, message, auth_refused=False)
    assert reason in told[0] and hint in told[1]
    assert "\n" not in told[0] and "\r" not in told[0]


def test_a_password_that_is_asked_for_in_vain_is_not_a_wrong_one():
    reason, hint = explain(LOCAL, "authentication failed: Failed to collect auth credentials", auth_refused=True)
    assert "asks for a password" in reason and "--password-fd" in hint
    assert "check the user name" in explain(LOCAL, "authentication failed", auth_refused=True)[1]


def test_what_is_off_is_not_refused():
    assert is_refused("Failed to connect socket to '/x': Permission denied")
    assert not is_refused("Failed to connect socket to '/x': Connection refused")


def _hint_where_nobody_listens(monkeypatch, tmp_path, programs):
    for name in programs:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("kimchictl.virt.diagnosis._SBIN", str(tmp_path))
    return explain(LOCAL, "Failed to connect socket to '/x': Connection refused", auth_refused=False)[1]


def test_the_hint_starts_the_daemon_that_is_installed_or_says_what_to_install(monkeypatch, tmp_path):
    assert "install libvirt's daemon" in _hint_where_nobody_listens(monkeypatch, tmp_path, [])
    assert "virtqemud" in _hint_where_nobody_listens(monkeypatch, tmp_path, ["virtqemud"])
    assert "libvirtd" in _hint_where_nobody_listens(monkeypatch, tmp_path, ["libvirtd"])
