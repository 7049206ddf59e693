"""Which VMs a command is about: those named, those whose names come on stdin, all, or all that pass a filter."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from kimchictl.commands.base import filter_option, names_argument
from kimchictl.errors import UsageError

if TYPE_CHECKING:
    from kimchictl.app import App


def vms_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """NAME..., --all and --filter; the callback gets `names`."""

    @wraps(function)
    def chosen(*args: Any, names: tuple[str, ...], all_vms: bool, filter: tuple[str, ...], **values: Any) -> Any:
        app = click.get_current_context().find_root().obj
        return function(*args, names=choose(app, names, all_vms, filter), **values)

    decorated: Callable[..., Any] = chosen
    for decorate in (
        names_argument("vm", required=False),
        click.option("--all", "all_vms", is_flag=True, help="All VMs."),
        filter_option(),
    ):
        decorated = decorate(decorated)
    return decorated


def choose(app: "App", names: tuple[str, ...], all_vms: bool, filters: tuple[str, ...]) -> tuple[str, ...]:
    """The names. Raises UsageError for none, and for names beside --all; a filter that nothing passes is no error."""
    if not all_vms and not filters:
        if not names and not click.get_current_context().meta.get("kimchictl.stdin"):
            raise UsageError("a VM's name is missing", "name some, or give --all or --filter; - reads them from stdin")
        return names
    if all_vms and names:
        raise UsageError("--all is all VMs: no names beside it")
    from kimchictl.commands.again import again
    from kimchictl.commands.vm.views import VMS
    from kimchictl.query import plain, select
    from kimchictl.virt.domain.listing import DESCRIBED_KEYS, list_vms

    vms = again(app, lambda: list_vms(app.host, any(text.startswith(DESCRIBED_KEYS) for text in filters)))
    passed = tuple(row["name"] for row in select([plain(vm) for vm in vms], filters, VMS.keys))
    found = tuple(name for name in names if name in passed) if names else passed
    if not found:
        app.note("there is no such vm")
    return found
