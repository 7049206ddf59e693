"""Cloud-init data; the image itself is read in tests/host/test_vm_create.py."""

import pytest

from kimchictl.errors import Invalid
from kimchictl.media.seed import LARGEST, check_user_data, host_label


@pytest.mark.parametrize(
    ("name", "label"),
    [("web", "web"), ("Web Größe", "web-grosse"), ("a.b_c", "a-b-c"), ("-é-", "e"), ("漢", "vm"), ("x" * 80, "x" * 63)],
)
def test_a_guest_is_called_after_its_vm_as_far_as_hosts_can_be(name, label):
    assert host_label(name) == label


@pytest.mark.parametrize("data", [b"#cloud-config\n", b"#!/bin/sh\n", b"\xef\xbb\xbf#cloud-config\n", b"\x1f\x8b\x08"])
def test_user_data_are_known_by_their_first_line(data):
    check_user_data(data, "it")


@pytest.mark.parametrize("data", [b"", b"hostname: x\n", b"#!" + bytes(LARGEST)], ids=["empty", "yaml", "large"])
def test_what_cloud_init_would_pass_over_is_refused(data):
    with pytest.raises(Invalid, match="it is"):
        check_user_data(data, "it")
