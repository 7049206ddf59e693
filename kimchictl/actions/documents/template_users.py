"""Which VMs of a host were made from which template: what their metadata say."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kimchictl.virt.connection import Host


def vms_of_templates(host: "Host") -> dict[str, list[str]]:
    """The names of VMs, sorted, by the template they were made from. Raises HostError."""
    from kimchictl.virt.domain.domains import descriptions

    users: dict[str, set[str]] = {}
    for name, said in descriptions(host):
        if said.origin.template is not None:
            users.setdefault(said.origin.template, set()).add(name)
    return {template: sorted(names) for template, names in users.items()}
