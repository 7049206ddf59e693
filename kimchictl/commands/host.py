"""`kimchictl host`"""

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, pass_app
from kimchictl.commands.several import CHECK_PATIENCE, on_hosts
from kimchictl.render import View


@click.group(cls=Group)
def host() -> None:
    """The host itself: what it is and what it can do."""


@host.command()
@pass_app
def show(app: App) -> None:
    """Show the host: its name, memory and CPUs, and the versions of libvirt and the hypervisor.

    \b
    Examples:
      kimchictl host show
      kimchictl host show -c qemu+ssh://root@node2/system -o json
    """
    from kimchictl.actions.host.host_report import HostSummary, summarise

    keys = tuple(HostSummary.__dataclass_fields__)
    app.emit(summarise(app.host), View(keys, keys))


@host.command()
@click.option("--probe", is_flag=True, help="Start guests, paused, and end them at once, to find out the rest.")
@pass_app
def capabilities(app: App, probe: bool) -> None:
    """Show what the host can do: streaming, firmware, TPM, KVM, displays, screenshots, snapshots.

    Whether guests can boot from a URL depends on qemu's driver for it, which may be a package of its own. Of this
    machine's qemu that is asked without starting anything; of another host's only with --probe, as is whether KVM
    works. The answers are remembered for each qemu.

    \b
    Examples:
      kimchictl host capabilities -o json
      kimchictl -c qemu+ssh://root@far.example/system host capabilities --probe
    """
    from kimchictl.actions.host.host_report import HostCapabilities, find_capabilities

    keys = tuple(HostCapabilities.__dataclass_fields__)
    app.emit(find_capabilities(app.host, app.places.cache_dir, probe), View(keys, keys, name="libvirtd"))


_FINDINGS = View(("name", "status", "message", "fix"), ("name", "status", "message", "fix"), sort=None)
_SOME_FAIL = 7


@host.command()
@list_options
@pass_app
@on_hosts(CHECK_PATIENCE)
def check(app: App) -> int:
    """Look for what keeps the host from working well; each line names the fix.

    libvirt, KVM (tried with an empty guest that is ended at once), devices, firmware, TPM, streaming, storage pools,
    networks, who guests run as and what they cannot read, guests that libvirt lost, virtlogd, osinfo-db, the clock,
    free space, kimchictl's own directories, the collector of statistics and the repeated scan. Nothing is changed.

    \b
    Examples:
      kimchictl host check
      kimchictl host check --filter status!=ok -o json

    Exit status: 0 nothing fails, warnings or not; 7 something fails, whether a --filter shows it or not.
    """
    from kimchictl.actions.host.doctor import Ours, check_host
    from kimchictl.actions.host.findings import FAIL

    app.check_selection(_FINDINGS)
    ours = Ours(app.config, _files(app))
    findings = check_host(lambda: app.host, app.host_uri, ours, app.remote_host is None)
    app.emit_list(findings, _FINDINGS)
    return _SOME_FAIL if any(finding.status == FAIL for finding in findings) else 0


def _files(app: App) -> tuple[str, ...]:
    """The files of this machine that templates name."""
    from kimchictl.actions.documents.marks import files_of
    from kimchictl.actions.documents.show_templates import readable
    from kimchictl.catalog.nouns import TEMPLATES

    templates = [template for _, template in readable(app.templates.read(), TEMPLATES, app.note)]
    return tuple(dict.fromkeys(path for template in templates for path in files_of(template).paths))
