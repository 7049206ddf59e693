"""`kimchictl iso scan`."""

from typing import TYPE_CHECKING, Any

import click

from kimchictl.app import App, exit_status
from kimchictl.commands.base import Command, list_options, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.iso.views import CHANGES, IMAGES, IN_ORDER
from kimchictl.commands.several import CHANGES_FOUND, SCAN_PATIENCE, on_hosts
from kimchictl.errors import HostError, UsageError

if TYPE_CHECKING:
    from kimchictl.actions.images.scan import ScanOptions, ScanResult


@click.command(cls=Command)
@click.argument("paths", metavar="[PATH]...", nargs=-1, shell_complete=complete("directory"))
@click.option("--deep", is_flag=True, help="Directory trees below PATH, or those of scan.paths; needs no libvirt.")
@click.option("--pool", "pools", metavar="NAME", multiple=True, shell_complete=complete("pool"), help="Only this pool.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Leave out names or paths like this.")
@click.option("--cross-filesystems", is_flag=True, help="Enter other file systems.")
@click.option("--follow-symlinks", is_flag=True, help="Follow symbolic links to directories.")
@click.option("--full", is_flag=True, help="Read everything anew, whatever is remembered.")
@click.option("--strict", is_flag=True, help="Exit 7 when anything inside could not be read.")
@click.option("--changed", is_flag=True, help="Only what changed since the last --changed.")
@click.option("--create-templates", is_flag=True, help="Make a template of each bootable image first seen now.")
@click.option("--all", "everything", is_flag=True, help="Images that cannot boot, too.")
@click.option("--all-files", is_flag=True, help="Look into all files, not only *.iso and *.img.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 10 when something changed.")
@list_options
@pass_app
@on_hosts(SCAN_PATIENCE)
def scan(
    app: App,
    paths: tuple[str, ...],
    deep: bool,
    pools: tuple[str, ...],
    strict: bool,
    changed: bool,
    create_templates: bool,
    everything: bool,
    detailed_exitcode: bool,
    **look: bool | tuple[str, ...],
) -> int:
    """Find images in storage pools, or in directory trees.

    Without --deep: the ISO volumes of the active storage pools of the host that -c names. With it each PATH is a
    directory, as whole trees are what is remembered; a file by itself is for iso probe.

    \b
    Examples:
      kimchictl iso scan --deep /srv/iso /home
      kimchictl iso scan --deep --changed --detailed-exitcode -q     from cron; the trees of scan.paths
      kimchictl iso scan --pool default -o json

    Exit status: 0 done; 2 no PATH and no scan.paths; 3 not found; 4 PATH is no directory, or the pool inactive; 5 no
    host; 7 some failed, or, with --strict, something inside could not be read; 10 changes, with --detailed-exitcode.
    """
    from kimchictl.actions.images.scan import ScanOptions

    app.check_selection(CHANGES if changed else IMAGES)
    options = ScanOptions(changed=changed, create_templates=create_templates, **_look(app, look))
    result = _deep(app, paths, pools, options) if deep else _shallow(app, paths, pools, options)
    for error in result.failures:
        app.report(error)
    _tell(app, result, news_only=changed)
    created_failures = _create_templates(app, result) if create_templates else 0
    if result.places or not result.failures:
        _emit(app, result, changed, everything)
    if result.interrupted:
        app.note("what was found until now is kept; the next scan finds the rest")
        raise KeyboardInterrupt
    attempts = len(result.places) + len(result.failures)
    failed = exit_status(attempts, [error.exit_status for error in result.failures])
    if failed or created_failures or (strict and result.problems):
        return failed or 7
    return CHANGES_FOUND if detailed_exitcode and result.changes else 0


def _look(app: App, given: dict[str, Any]) -> dict[str, Any]:
    """How to look: the options, over or beside what is configured."""
    look = dict(given)
    look["exclude"] = (*app.config["scan.exclude"], *given["exclude"])
    for name in ("cross_filesystems", "follow_symlinks"):
        look[name] = given[name] or app.config[f"scan.{name}"]
    return look


def _deep(app: App, paths: tuple[str, ...], pools: tuple[str, ...], options: "ScanOptions") -> "ScanResult":
    from kimchictl.actions.images.scan import deep_scan
    from kimchictl.media.naming.knowledge import knowledge_key

    if pools:
        raise UsageError("--pool does not go with --deep")
    if app.host_name is not None:
        raise UsageError("a deep scan is of this machine", "several hosts go with a scan of storage pools")
    places = paths or app.config["scan.paths"]
    if not places:
        raise UsageError("a deep scan needs a PATH", "name one, or set scan.paths in the configuration")
    with app.task(f"deep scan of {', '.join(places)}") as progress:
        return deep_scan(places, options, app.index, progress, knowledge_key(app.places))


def _shallow(app: App, paths: tuple[str, ...], pools: tuple[str, ...], options: "ScanOptions") -> "ScanResult":
    if paths:
        raise UsageError(f"a PATH, like {paths[0]!r}, goes with --deep", "without it, storage pools are scanned")
    from kimchictl.actions.images.scan import shallow_scan
    from kimchictl.media.naming.knowledge import knowledge_key

    try:
        host = app.host
    except HostError as error:
        error.hint = "; ".join(filter(None, (error.hint, "kimchictl iso scan --deep PATH needs no host")))
        raise
    seconds, known = app.config["pool.timeout"], knowledge_key(app.places)
    return shallow_scan(host, pools, options, app.index, app.progress, known, seconds)


def _tell(app: App, result: "ScanResult", news_only: bool) -> None:
    """What was wrong inside the places; with `news_only` what was not so at the last scan, as cron mails it."""
    for note in result.notes:
        app.note(note)
    problems = [problem for problem in result.problems if problem.new or not news_only]
    for problem in problems:
        app.note(f"{problem.path}: {problem.reason}")
    if problems:
        app.note(f"{len(problems)} could not be read")


def _create_templates(app: App, result: "ScanResult") -> int:
    """Make templates of what was first seen; how many could not be made."""
    from kimchictl.actions.documents.from_scan import declined_by, templates_for_images

    if not result.first_seen:
        return 0
    outcome = templates_for_images(app.templates, declined_by(app.index), result.first_seen, patient=True)
    for kept in outcome.kept:
        app.note(f"template {kept.template.name!r} made of {kept.template.cdrom}")
    for error in outcome.failures:
        app.report(error)
    return len(outcome.failures)


def _emit(app: App, result: "ScanResult", changed: bool, everything: bool) -> None:
    if (not changed and app.options.quiet) or (changed and not result.changes and app.format != "json"):
        return
    if changed:
        from kimchictl.actions.documents.usage import used_by_templates
        from kimchictl.query import plain

        images = used_by_templates([change.image for change in result.changes], app.templates)
        kinds = {change.image.location: change.change for change in result.changes}
        for image in images:
            if kinds[image.location] == "removed" and image.used_by:
                app.note(f"{image.location} is gone; it is still named by template {', '.join(image.used_by)}")
        app.emit_list([{"change": kinds[image.location], **plain(image)} for image in images], CHANGES)
    else:
        from kimchictl.actions.images.listing import ImageRows

        rows = ImageRows(result.rows, app.templates)
        app.emit_list([row for row in rows if everything or row["bootable"] or row["error"]], IN_ORDER)
