"""`kimchictl stats`: what the host and its virtual machines use, now and over time."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from kimchictl.app import App
from kimchictl.commands.base import Group, list_options, pass_app
from kimchictl.commands.completing import complete
from kimchictl.commands.several import on_hosts
from kimchictl.commands.values import DURATION, Parsed
from kimchictl.errors import HostError, Invalid, UsageError
from kimchictl.query import plain
from kimchictl.render import View, is_terminal
from kimchictl.render.usage import LEAST_PEAK, amount, spark
from kimchictl.units import parse_duration

if TYPE_CHECKING:
    from kimchictl.actions.host.statistics import Look, Statistics
    from kimchictl.render.watch import Frame
    from kimchictl.virt.connection import Host

UNITS = {"cpu": "%", "memory": "bytes", **dict.fromkeys(("disk_read", "disk_write", "net_rx", "net_tx"), "bytes/s")}
MEASURES = tuple(UNITS)
SPARK = 32  # columns

FIRST_KEYS = ("name", "uuid", "at")
CURRENT_AND_PEAK = tuple(f"{key}.{part}" for key in MEASURES for part in ("current", "peak"))


def _current(value: Any) -> str:
    return amount(value["current"], value["unit"])


def _line(value: Any) -> str:
    """ "12.5 %  peak 80.0 %  ▁▂▃" """
    return f"{_current(value):<12}  peak {amount(value['peak'], value['unit']):<12}  {value['spark']}".rstrip()


LIST = View(
    columns=("name", *MEASURES),
    keys=(*FIRST_KEYS, *MEASURES, "history"),
    wide=("cpu.peak", "memory.peak", "at"),
    sort=None,
    formats=dict.fromkeys(MEASURES, _current)
    | {f"{key}.peak": lambda value, unit=unit: amount(value, unit) for key, unit in UNITS.items()},
)
ONE = View(columns=LIST.columns, keys=LIST.keys, formats=dict.fromkeys(MEASURES, _line))
SAMPLES = View(columns=("name", "at", *MEASURES), keys=("name", "uuid", "at", "seconds", *MEASURES), sort=None)


def _interval(text: str) -> float:
    seconds = parse_duration(text)
    if not 0.5 <= seconds <= 3600:
        raise Invalid(f"{text.strip()} is not between 500ms and 1h")
    return seconds


interval_option = click.option(
    "--interval", type=Parsed("interval", _interval), metavar="TIME", help="Time between two rounds, like 5s."
)


@click.group(cls=Group)
def stats() -> None:
    """What the host and its virtual machines use, now and over time."""


@stats.command()
@click.option("--once", is_flag=True, help="One sample, for cron.")
@interval_option
@pass_app
def collect(app: App, once: bool, interval: float | None) -> None:
    """Sample all virtual machines and the host into the journal, until a signal ends it.

    One collector serves everybody who reads: where one is at work already, this one leaves with exit status 0. The
    journal keeps every sample for an hour, the means and peaks of a minute for a day, of a quarter of an hour for 30
    days, and at most 48 MiB. Ended by SIGTERM the exit status is 143.

    \b
    Examples:
      kimchictl stats collect
      systemctl enable --now kimchi-stats.service
      * * * * *  root  kimchictl -q stats collect --once
    """
    from kimchictl.actions.host.collect import collect

    interval = interval or _interval(f"{app.config['stats.interval']:g}")
    collect(lambda: _connect(app), app.places.state_dirs, app.places.run_dir, interval, once, app.note)


@stats.command()
@click.argument("name", metavar="[VM|host]", required=False, shell_complete=complete("vm"))
@click.option("--since", type=DURATION, metavar="TIME", help="With the history of this time, like 1h.")
@list_options
@pass_app
@on_hosts()
def show(app: App, name: str | None, since: float | None) -> None:
    """Show what the host and its virtual machines use: now, at most, and over time.

    All that run, or one of them by name or UUID. CPU is in percent of all processors that the virtual machine (or the
    host) has, memory what it takes of the host's, the rest bytes a second. Peaks are of the time that --since says, or
    of the last hour. With --since there is a history, in csv a line a sample, and virtual machines that are gone by
    now are in it. Where no collector is at work, it is measured over a second.

    \b
    Examples:
      kimchictl stats show
      kimchictl stats show web-1 --since 1d
      kimchictl stats show -o json --filter 'cpu.current>=50'
    """
    from kimchictl.actions.host.statistics import WINDOW, find_journal, look, never_seen

    def connect() -> "Host":
        return _connect(app)

    looked = look(find_journal(app.places.state_dirs, _uri(app)), connect, since or WINDOW)
    one = (looked.one(name, since is not None) or never_seen(name, connect, since is not None)) if name else None
    if looked.remark:
        app.note(looked.remark)
    if one is None:
        _emit_all(app, looked.all(since is not None), since is not None)
    else:
        _emit_one(app, looked, one)


@stats.command()
@interval_option
@pass_app
def watch(app: App, interval: float | None) -> None:
    """Show the same on a live screen, until Ctrl-C.

    A bar is filled by the current value over the peak of the last hour; a peak below 100 kB/s counts as that.

    \b
    Examples:
      kimchictl stats watch
      kimchictl stats watch --interval 2s
    """
    from kimchictl.actions.host.statistics import Watch, find_journal
    from kimchictl.render import watch as screen

    if not is_terminal(sys.stdout):
        raise UsageError("a live screen needs a terminal", "kimchictl stats show prints the same once")
    uri = _uri(app)
    with Watch(find_journal(app.places.state_dirs, uri), lambda: _connect(app)) as watched:
        screen.watch(lambda: _frame(watched, uri), interval or app.config["stats.interval"], app.options.color)


def _connect(app: App) -> "Host":
    """A connection that only reads: that is enough for statistics."""
    return app.connect(readonly=True)


def _uri(app: App) -> str:
    """What the host is called. The journal can be read without it: then libvirt's usual default counts."""
    if app.host_uri:
        return app.host_uri
    try:
        with _connect(app) as host:
            return host.uri
    except HostError:
        return "qemu:///system" if os.geteuid() == 0 else "qemu:///session"


def _emit_all(app: App, found: "list[Statistics]", history: bool) -> None:
    if app.format == "csv" and history:
        app.emit_list([row for one in found for row in _samples(one)], SAMPLES)
        return
    if app.format == "csv" and not app.options.columns:
        app.options.columns = (*FIRST_KEYS, *CURRENT_AND_PEAK)
    app.emit_list(found, LIST)


def _emit_one(app: App, looked: "Look", one: "Statistics") -> None:
    if app.format == "csv":
        _emit_all(app, [one], hasattr(one, "history"))
    elif app.format in ("table", "wide"):
        app.emit(_drawn(looked, one), ONE)
    else:
        app.emit(one, ONE)


def _samples(one: "Statistics") -> list[dict[str, Any]]:
    """The history of one as rows of their own."""
    return [{"name": one.name, "uuid": one.uuid, **moment} for moment in plain(one)["history"]]


def _drawn(looked: "Look", one: "Statistics") -> dict[str, Any]:
    """One for a person: a spark line instead of the numbers, on a terminal."""
    row: dict[str, Any] = plain(one)
    row.pop("history", None)
    past = looked.values(one) if is_terminal(sys.stdout) else []
    for number, key in enumerate(MEASURES):
        least = {"%": 100.0, "bytes/s": LEAST_PEAK}.get(UNITS[key], 0.0)
        row[key]["spark"] = spark([values[number] for values in past], SPARK, least)
    return row


def _frame(watched: Any, uri: str) -> "Frame":
    import time

    from kimchictl.render.watch import Frame

    looked = watched.frame()
    rows = [(row["name"], {key: tuple(row[key].values()) for key in MEASURES}) for row in map(plain, looked.all())]
    busiest = sorted(rows[1:], key=lambda row: -(row[1]["cpu"][0] or 0.0))
    source = "collected" if watched.collected else "nobody collects: measured here"
    if looked.remark:
        source += f"; {looked.remark}"
    return Frame(f"{uri}  {time.strftime('%H:%M:%S')}  {source}  Ctrl-C ends", [*rows[:1], *busiest])
