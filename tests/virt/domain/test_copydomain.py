"""A definition as that of another VM."""

from kimchictl.virt import xml
from kimchictl.virt.domain.copydomain import as_clone

PORTS = """<domain><name>web</name><uuid>x</uuid><devices>
<serial type='file'><source path='/var/log/web.log'/><log file='/var/log/said.log'/></serial>
<console type='file'><source path='/var/log/web.log'/></console>
<serial type='unix'><source mode='bind' path='/run/web'/></serial>
<serial type='unix'><source mode='connect' path='/run/other'/></serial>
<serial type='dev'><source path='/dev/ttyS0'/></serial></devices></domain>"""


def test_what_a_clone_s_ports_write_is_its_own():
    clone = as_clone(xml.parse(PORTS, "vm"), "two", "y")
    paths = [each.get("path") for each in clone.iter("source")]
    assert paths == ["/var/log/two.log", "/var/log/two.log", "/run/two", "/run/other", "/dev/ttyS0"]
    assert clone.find("devices/serial/log").get("file") == "/var/log/said-two.log"
