"""What libvirt does for long, and nobody can stop; all else of volumes is tested on a real one, in tests/host."""

import threading
from types import SimpleNamespace

import pytest

from kimchictl.virt.storage import volumechange


def test_who_is_interrupted_is_told_that_libvirt_goes_on(host, monkeypatch):
    ended, cut = threading.Event(), []
    slow = SimpleNamespace(resize=lambda *given: (ended.wait(10), cut.append(given)))
    monkeypatch.setattr(volumechange, "find_handle", lambda *_: slow)
    monkeypatch.setattr(volumechange, "_LOOK_SECONDS", (0.01, 0.01))

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        volumechange.resize_volume(host, "p", "v", 1024, True, interrupted)
    assert host.notes == ["libvirt goes on to resize volume 'v', which cannot be stopped"] and not cut
    ended.set()
