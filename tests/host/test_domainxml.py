"""The golden domain XML of this architecture, taken by qemu's own driver as well."""

import re
from pathlib import Path

import libvirt
import pytest

GOLDEN = Path(__file__).parents[1] / "virt/domain/golden"
RUNNABLE = [path for path in GOLDEN.iterdir() if re.search('type="qemu">(?s:.*)arch="x86_64"', path.read_text())]


@pytest.mark.parametrize("path", sorted(RUNNABLE), ids=lambda path: path.stem)
def test_qemu_s_driver_takes_the_xml(path, host):
    connection = libvirt.open(host.uri)
    domain = connection.defineXMLFlags(path.read_text(), libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
    assert domain.name() == "web"
    connection.close()
