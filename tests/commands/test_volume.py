"""The verbs of `volume` where they need no host, or libvirt's test driver will do."""

import pytest

from kimchictl.commands.volume.change import WIPES
from kimchictl.commands.volume.views import parse_new_size
from kimchictl.errors import Invalid
from kimchictl.virt.storage import volumechange

GIB = 1 << 30
TEST = ("-c", "test:///default")


def test_the_ways_to_wipe_are_libvirt_s():
    assert WIPES == volumechange.WIPES


@pytest.mark.parametrize(("text", "wanted"), [("3", 3), ("3G", 3), ("+3G", 5), ("1024M", 1)])
def test_a_new_size_is_absolute_or_so_much_more(text, wanted):
    assert parse_new_size(text)(2 * GIB) == wanted * GIB


@pytest.mark.parametrize("text", ["", "+", "-1G", "5GB", "x"])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(Invalid):
        parse_new_size(text)


@pytest.mark.parametrize("words", [("vm", "disk", "resize", "nosuch", "vda"), ("volume", "resize", "nosuch", "v")])
def test_a_size_that_is_none_is_wrong_usage(kimchi, words):
    assert "error: size '5GB' is ambiguous" in kimchi(*words, "5GB", *TEST, status=2).err


def test_what_the_host_cannot_do_is_said_in_a_sentence(kimchi):
    words = ("volume", "create", "default-pool", "v", "--size", "1G", *TEST)
    kimchi(*words, status=0)
    kimchi("volume", "show", "default-pool", "nosuch", *TEST, status=3)
    kimchi("volume", "clone", "default-pool", "nosuch", *TEST, status=3)
    kimchi("volume", "upload", "default-pool", "/nonexistent", *TEST, status=3)
    kimchi("volume", "upload", "default-pool", "/etc/passwd", "--checksum", "md5:1", *TEST, status=4)
    kimchi("volume", "download", "default-pool", "..", *TEST, status=3)
