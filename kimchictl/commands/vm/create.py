"""`kimchictl vm create`"""

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from kimchictl.actions.storage.unfinished import take_back_everywhere
from kimchictl.actions.vms.create.claim import Claim
from kimchictl.actions.vms.create.findings import Findings
from kimchictl.actions.vms.create.plan_vm import Request, VmPlan, sketch
from kimchictl.actions.vms.create.preflight import plan_vms
from kimchictl.actions.vms.create.provisioning import Provisioning
from kimchictl.actions.vms.create.unfinished import sweep
from kimchictl.actions.vms.create.virt_type import settle_virt_type
from kimchictl.app import App
from kimchictl.catalog.merge import merge
from kimchictl.catalog.nouns import TEMPLATES
from kimchictl.catalog.options import Changes
from kimchictl.catalog.records import Graphics
from kimchictl.catalog.resolve import defaults_of, resolve
from kimchictl.commands.base import Command, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.template.options import options_like
from kimchictl.commands.values import TITLE
from kimchictl.commands.vm.leftovers import finish_deletions
from kimchictl.commands.vm.media import bring, media_option, wish
from kimchictl.commands.vm.password import display_password, password_options
from kimchictl.commands.vm.views import emit_vms
from kimchictl.errors import HostError, UsageError
from kimchictl.render import View, visible, write_out
from kimchictl.units import format_size

if TYPE_CHECKING:
    from kimchictl.actions.vms.create.plan_media import MediaPlan

PLANS = View(("name", "template"), ("name", "template", "volumes", "media"), sort=None)


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--template", metavar="T", required=True, shell_complete=complete("template"), help="What to make it of.")
@click.option(
    "--count", type=click.IntRange(1, 1000), default=1, metavar="N", help="How many; each gets a free number."
)
@click.option("--start", is_flag=True, help="Start them at once.")
@click.option("--pool", metavar="P", shell_complete=complete("pool"), help="Storage pool of the disks.")
@media_option
@click.option("--title", type=TITLE, metavar="S", help="A line about it.")
@options_like(
    "--memory", "--max-memory", "--vcpus", "--max-vcpus", "--topology", "--disk", "--network", "--graphics",
    "--firmware", "--secure-boot", "--tpm", "--virt-type", "--machine", "--cpu", "--description",
)  # fmt: skip
@password_options
@click.option(
    "--cloud-init",
    metavar="FILE",
    shell_complete=complete("file"),
    help="User data for cloud-init, for a template of a cloud image.",
)
@click.option(
    "--driver-disc/--no-driver-disc", default=True, help="For Windows: the virtio driver disc, if a scan found one."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@click.option("--print-xml", is_flag=True, help="Print the domain XML, and make nothing; works without a host.")
@pass_app
def create(
    app: App,
    name: str | None,
    template: str,
    count: int,
    start: bool,
    pool: str | None,
    media: str | None,
    title: str | None,
    changes: Changes,
    display_password_fd: int | None,
    insecure: bool,
    cloud_init: str | None,
    driver_disc: bool,
    dry_run: bool,
    print_xml: bool,
) -> int:
    """Make VMs from a template.

    Without NAME a VM is called after its template: debian-12-vm-1, -2... Everything it needs is looked up first, and
    if a step fails, all that was made is taken back; only an image that was fetched stays, for the next time.

    The image behind a URL is streamed if the host's qemu has the driver for it (`kimchictl host capabilities`) and the
    server tells the length and gives parts; else it is fetched into a pool. Which, and why, is said.

    \b
    Examples:
      kimchictl vm create --template debian-12 --start
      kimchictl vm create web --template debian-12 --count 3 --memory 4G --network bridge=br0
      kimchictl vm create --template debian-12 --print-xml
      kimchictl vm create --template debian-12 --media fetch --start
      kimchictl vm create web --template debian-12-cloud --cloud-init user-data.yaml --start
    """
    stored = TEMPLATES.read(app.templates.get(template))
    whole = merge(stored, changes, f"a VM of template {template!r}") if changes else stored
    resolved = resolve(whole, defaults_of(app.config))
    request = Request(resolved, name, count, pool, title, whole.description, start=start)
    request, said = _with_what_is_given(request, cloud_init, display_password_fd, insecure or print_xml, not dry_run)
    if print_xml:
        said.raise_all(f"a vm of template {template!r}")
        _print_xml(app, request, media)
        return 0
    if driver_disc and request.resolved.template.os_distro == "windows":
        request = replace(request, drivers=_driver_disc(app))
    request = _settled(app, request, dry_run)
    if not dry_run:
        finish_deletions(app)
        swept = sweep(app.host, app.places.own_state, request.may_be)
        for sentence in (*swept, *take_back_everywhere(app.host, app.places.own_state)):
            app.note(sentence)
    with Claim(app.host, request.called, app.places.own_state) as claim:
        if not dry_run:
            request = replace(request, names=claim.take(count))
        plans, findings = plan_vms(app.host, request)
        findings.add(said)
        findings.raise_all(f"vm {plans[0].name!r}")
        _say(app, findings)
        medium = _medium(app, request, plans, media, may_start=not dry_run)
        if dry_run:
            _say_plans(app, plans, medium, count > 1)
            return 0
        if medium is not None:
            request, plans = _bring(app, request, medium)
        with Provisioning(app.host, request, plans, claim, start, app.places.own_state) as making:
            made, status = app.each([plan.name for plan in plans], lambda each: _made(app, making.finish(each), start))
    emit_vms(app, made, count > 1)
    return status


def _with_what_is_given(
    request: Request, cloud_init: str | None, fd: int | None, insecure: bool, may_ask: bool
) -> tuple[Request, Findings]:
    """`request` with the password of its display and its user data: the file's, else those that its template names."""
    template, said = request.resolved.template, Findings()
    shown, path = template.graphics or Graphics(), cloud_init if cloud_init is not None else template.cloud_init
    password = said.ask(lambda: display_password(shown.type, shown.listen, fd, insecure, may_ask=may_ask))
    if path is None:
        return replace(request, password=password), said
    from kimchictl.actions.vms.create.user_data import in_vain, read_user_data

    if note := in_vain(template):
        said.notes.append(note)
    return replace(request, password=password, user_data=said.ask(lambda: read_user_data(path))), said


def _driver_disc(app: App) -> str | None:
    """Where the virtio driver disc for Windows is, as the last scans of this host found it, or its active pools."""
    from kimchictl.actions.vms.create.driver_disc import find_driver_disc

    return find_driver_disc(app.host, app.index.images(app.remote_host).images)


def _settled(app: App, request: Request, dry_run: bool) -> Request:
    """`request` with a virt type that works on the host."""
    settled, note = settle_virt_type(app.host, request, app.places.cache_dir, may_try=not dry_run)
    if note:
        app.note(note)
    return settled


def _medium(app: App, request: Request, plans: list[VmPlan], media: str | None, may_start: bool) -> "MediaPlan | None":
    """What is to become of the image behind a URL; None for any other."""
    from kimchictl.actions.vms.create.plan_media import is_remote, plan_media

    if not is_remote(request):
        return None
    return plan_media(app.host, request, plans, wish(app, request, media, may_start))


def _bring(app: App, request: Request, medium: "MediaPlan") -> tuple[Request, list[VmPlan]]:
    """The same VMs, with the image where the guests find it."""
    settled = bring(app, request, medium)
    plans, findings = plan_vms(app.host, settled)
    findings.raise_all(f"vm {plans[0].name!r}")
    return settled, plans


def _made(app: App, name: str, start: bool) -> str:
    app.note(f"vm {name!r} created{' and started' if start else ''}")
    return name


def _print_xml(app: App, request: Request, media: str | None) -> None:
    if request.count > 1:
        raise UsageError("--print-xml prints one VM", "leave --count out")
    try:
        request = _settled(app, request, dry_run=True)
        plans, findings = plan_vms(app.host, request)
    except HostError as error:
        app.note(f"not checked against a host: {error}")
        write_out(sketch(request).xml())
        return
    _say(app, findings)
    for problem in findings.problems:
        app.note(str(problem))
    write_out(_foreseen(app, request, plans, media)[0].xml())


def _foreseen(app: App, request: Request, plans: list[VmPlan], media: str | None) -> list[VmPlan]:
    from kimchictl.actions.vms.create.plan_media import is_remote, outlook

    if not is_remote(request):
        return plans
    plans, sentence = outlook(app.host, request, plans, wish(app, request, media, may_start=False))
    app.note(sentence)
    return plans


def _say(app: App, findings: Findings) -> None:
    for note in findings.notes:
        app.note(note)


def _say_plans(app: App, plans: list[VmPlan], medium: "MediaPlan | None", several: bool) -> None:
    """What a dry run was asked for, on stdout."""
    if app.format not in ("table", "wide"):
        rows = [
            {"name": plan.name, "template": plan.template, "volumes": plan.volumes, "media": medium} for plan in plans
        ]
        if several:
            app.emit_list(rows, PLANS)
        else:
            app.emit(rows[0], PLANS)
        return
    for plan in plans:
        write_out(visible(f"vm {plan.name!r} would be created from template {plan.template!r}") + "\n")
        for volume in plan.volumes:
            disk = f"  pool:{volume.pool}/{volume.name} {volume.format} {format_size(volume.capacity)}"
            write_out(visible(disk) + "\n")
        if medium is not None:
            write_out(visible(f"  {medium.foreseen}") + "\n")
