"""What the tests of libvirt share: the test driver that lives in this process."""

import gc

import libvirt
import pytest

from kimchictl.virt.connection import open_host


@pytest.fixture
def driver():
    """A connection to test:///default, which keeps its state while one is open, and loses it with the last."""
    gc.collect()  # an object of the last test, caught in an exception, would keep that test's state alive
    gc.freeze()  # what is left is pytest's: tens of thousands of reports, which the next collection need not search
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    connection = libvirt.open("test:///default")
    yield connection
    connection.close()


@pytest.fixture
def host(driver):
    """The same as a Host; `host.notes` is what it said."""
    notes = []
    with open_host("test:///default", note=notes.append) as opened:
        opened.notes = notes
        yield opened
