"""What a host is answered that asks who one is."""

import os

import libvirt
import pytest

from kimchictl.errors import UsageError
from kimchictl.virt.credentials import answer_with, read_password


def asked(*kinds):
    return [[kind, "prompt", None, None, None] for kind in kinds]


@pytest.mark.parametrize(
    ("lines", "uri", "user"),
    [
        (("fred", "secret"), "qemu+tcp://wilma@far/system", "fred"),
        (("secret",), "qemu+tcp://wilma@far/system", "wilma"),
    ],
)
def test_the_user_is_the_one_given_else_the_uri_s(lines, uri, user):
    credentials = asked(libvirt.VIR_CRED_AUTHNAME, libvirt.VIR_CRED_PASSPHRASE)
    assert answer_with(libvirt, lines, uri)(credentials, None) == 0
    assert [credential[4] for credential in credentials] == [user, "secret"]


def test_what_is_neither_name_nor_password_is_not_answered():
    assert answer_with(libvirt, ("secret",), None)(asked(libvirt.VIR_CRED_ECHOPROMPT), None) == -1


def test_a_pipe_is_read_to_its_end():
    reading, writing = os.pipe()
    os.write(writing, b"fred\nge heim\n")
    os.close(writing)
    assert read_password(reading) == ("fred", "ge heim")
    os.close(reading)


def test_what_is_no_text_is_wrong_usage_and_not_repeated(tmp_path):
    (tmp_path / "x").write_bytes(b"\xffsecret")
    descriptor = os.open(tmp_path / "x", os.O_RDONLY)
    with pytest.raises(UsageError) as caught:
        read_password(descriptor)
    os.close(descriptor)
    assert "secret" not in str(caught.value) + str(caught.value.__cause__)
