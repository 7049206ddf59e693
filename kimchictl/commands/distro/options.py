"""The options of an entry: those of a template, its mirrors and its checksum."""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import click

from kimchictl.catalog.options import Changes
from kimchictl.commands.template.options import template_options


def distro_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them; the callback gets `changes`."""

    @wraps(function)
    def collected(*args: Any, changes: Changes, mirror: tuple[str, ...], checksum: str | None, **values: Any) -> Any:
        given = dict(changes.values)
        if mirror:
            given["mirrors"] = [url for url in mirror if url.strip()]
        if checksum is not None:
            given["checksum"] = checksum.strip() or None
        return function(*args, changes=replace(changes, values=given), **values)

    decorated = template_options(collected)
    click.option("--checksum", metavar="sha256:HEX|URL", help="The image's checksum, or where the sums are.")(decorated)
    click.option("--mirror", metavar="URL", multiple=True, help="Another URL of the image. May be repeated.")(decorated)
    return decorated
