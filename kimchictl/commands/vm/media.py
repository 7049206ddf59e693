"""The image behind a URL for a VM's drive, as `vm create` and `vm cdrom insert` bring it there."""

from typing import TYPE_CHECKING

import click

from kimchictl.app import App
from kimchictl.errors import UsageError

if TYPE_CHECKING:
    from kimchictl.actions.vms.create.plan_media import MediaPlan, MediaWish
    from kimchictl.actions.vms.create.plan_vm import Login, Request


media_option = click.option(
    "--media",
    type=click.Choice(("auto", "stream", "fetch")),
    help="Stream the image behind a URL, or fetch it into a pool first; auto streams where that works.",
)


def wish(app: App, request: "Request", media: str | None, may_start: bool) -> "MediaWish":
    """What is wanted: `media` or what is configured, from wherever the image is."""
    from kimchictl.actions.vms.create.plan_media import MediaWish
    from kimchictl.catalog.distros import addresses
    from kimchictl.media.remote import net_settings

    where = tuple(addresses(request.resolved.template, app.config.mirrors))
    return MediaWish(media or app.config["vm.media"], where, net_settings(app.config), app.places.cache_dir, may_start)


def bring(app: App, request: "Request", medium: "MediaPlan") -> "Request":
    """The request with the image where the guest finds it; what becomes of it is said, a fetch is a task."""
    from kimchictl.actions.vms.create.plan_media import settle
    from kimchictl.media.remote import net_settings

    app.note(medium.sentence)
    net = net_settings(app.config)
    if medium.media != "fetch":
        return settle(app.host, request, medium, net, app.progress)
    with app.task(f"fetch of {medium.addresses[0]}", app.remote_host) as progress:
        return settle(app.host, request, medium, net, progress, app.places.own_state)


def bring_url(app: App, url: str, media: str | None, check: bool) -> "tuple[str, Login | None]":
    """(what the drive of a VM that exists is to hold, who it is at its server). Without `check` nobody is asked.

    Raises Failed, NotFound, UsageError.
    """
    from kimchictl.actions.vms.create.plan_media import login_for, plan_media
    from kimchictl.actions.vms.create.plan_vm import Request
    from kimchictl.catalog.records import Template
    from kimchictl.catalog.resolve import Resolved
    from kimchictl.media.remote import net_settings

    login = login_for(url, net_settings(app.config))
    if not check and media == "fetch":
        raise UsageError("--no-check asks no server, and --media fetch does", "leave one of them out")
    if not check:
        return url, login
    request = Request(Resolved(Template(name="", cdrom=url), {}))
    brought = bring(app, request, plan_media(app.host, request, (), wish(app, request, media, may_start=True)))
    return brought.resolved.template.cdrom or url, brought.login
