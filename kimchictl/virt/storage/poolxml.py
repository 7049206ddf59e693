"""The definition of a storage pool, of any type that kimchictl makes, as elements.

KINDS          what each type needs and what it can be told
PoolPlan       what somebody asked for
pool_xml       the definition of a new pool
changed_xml    an old one with what a plan says differently
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from kimchictl.errors import Invalid
from kimchictl.virt import xml
from kimchictl.virt.domain.definition import parse


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """`path` is the target; hosts are "NAME", "NAME:PORT" or "[ADDRESS]:PORT". What is None or empty was not given.

    The password of `user` is in a libvirt secret, named by its UUID or its usage.
    """

    path: str | None = None
    hosts: tuple[str, ...] = ()
    source_path: str | None = None
    devices: tuple[str, ...] = ()
    source_name: str | None = None
    source_format: str | None = None
    user: str | None = None
    secret_uuid: str | None = None
    secret_usage: str | None = None


# How the command line calls each field.
OPTIONS = {
    "path": "--path",
    "hosts": "--source-host",
    "source_path": "--source-path",
    "devices": "--source-dev",
    "source_name": "--source-name",
    "source_format": "--source-format",
    "user": "--auth-user",
    "secret_uuid": "--secret-uuid",
    "secret_usage": "--secret-usage",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of pool: fields that it needs, those that it takes besides, and the type of its <auth>."""

    needs: tuple[str, ...]
    takes: tuple[str, ...] = ()
    auth: str | None = None
    target: str | None = None  # where its volumes appear if nothing else is said; {} is the source's name

    def allowed(self) -> set[str]:
        secrets = ("user", "secret_uuid", "secret_usage") if self.auth else ()
        return {*self.needs, *self.takes, *secrets}


KINDS: Mapping[str, Kind] = {
    "dir": Kind(("path",)),
    "fs": Kind(("path", "devices"), ("source_format",)),
    "netfs": Kind(("path", "hosts", "source_path"), ("source_format",)),
    "logical": Kind(("source_name",), ("path", "devices"), target="/dev/{}"),
    "iscsi": Kind(("hosts", "devices"), ("path",), "chap", "/dev/disk/by-path"),
    "rbd": Kind(("hosts", "source_name"), (), "ceph"),
}
_FORMATS = {"fs": "auto", "netfs": "nfs", "logical": "lvm2"}
_LONGEST = 255 - len(".xml.new")  # bytes of a name
_SEVERAL = {"hosts": ("rbd",), "devices": ("logical",)}


def pool_xml(name: str, kind: str, plan: PoolPlan) -> str:
    """The definition of a new pool. Raises Invalid for what its type lacks, or does not know."""
    check_name(name)
    if missing := [OPTIONS[field] for field in KINDS[kind].needs if not getattr(plan, field)]:
        raise Invalid(f"a pool of type {kind} needs {' and '.join(missing)}")
    _check(kind, plan)
    root = xml.Element("pool", type=kind)
    xml.add(root, "name", name)
    source = xml.add(root, "source")
    _put_source(source, kind, plan)
    if kind in _FORMATS and source.find("format") is None:
        xml.add(source, "format", type=_FORMATS[kind])
    if not len(source):
        root.remove(source)
    default = KINDS[kind].target
    path = plan.path or (default.format(plan.source_name) if default else None)
    if path is not None:
        xml.add(xml.add(root, "target"), "path", path)
    return xml.serialize(root)


def check_name(name: str) -> None:
    """Raises Invalid for what libvirt, which keeps a file of that name, or pool:POOL/VOLUME cannot call a pool."""
    if not name.strip():
        raise Invalid("a pool needs a name")
    if "/" in name or "\n" in name:
        raise Invalid(f"pool name {name!r} cannot hold a '/' or a line break")
    if len(name.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise Invalid(f"pool name {name[:20]!r}... is longer than {_LONGEST} bytes")


def changed_xml(document: str, name: str, plan: PoolPlan) -> str:
    """The definition `document` with what `plan` gives in place of what it had. Raises Invalid."""
    root = parse(document, f"pool {name!r}")
    kind = root.get("type") or ""
    if kind not in KINDS:
        hint = "without an option, kimchictl pool edit opens its XML"
        raise Invalid(f"pool {name!r} is of type {kind!r}, whose options are not known", hint)
    _check(kind, plan)
    source = root.find("source")
    source = xml.add(root, "source") if source is None else source
    for tag in _tags(plan):
        for old in source.findall(tag):
            source.remove(old)
    _put_source(source, kind, plan)
    if plan.path is not None:
        target = root.find("target/path")
        if target is None:
            target = xml.add(xml.add(root, "target"), "path")
        target.text = plan.path
    return xml.serialize(root)


def _tags(plan: PoolPlan) -> list[str]:
    """The elements of <source> that `plan` says anew."""
    tags = {
        "hosts": "host",
        "source_path": "dir",
        "devices": "device",
        "source_name": "name",
        "source_format": "format",
    }
    given = [tag for field, tag in tags.items() if getattr(plan, field)]
    return [*given, "auth"] if plan.user else given


def _check(kind: str, plan: PoolPlan) -> None:
    allowed = KINDS[kind].allowed()
    for field in fields(plan):
        if not (value := getattr(plan, field.name)):
            continue
        if field.name not in allowed:
            raise Invalid(f"a pool of type {kind} knows no {OPTIONS[field.name]}")
        if field.name in _SEVERAL and len(value) > 1 and kind not in _SEVERAL[field.name]:
            raise Invalid(f"a pool of type {kind} has one {OPTIONS[field.name]}, not {len(value)}")
    for path in filter(None, (plan.path, plan.source_path)):
        if not path.startswith("/"):
            raise Invalid(f"{path!r} is not an absolute path")
        if "\n" in path:
            raise Invalid(f"{path!r} holds a line break, which libvirt takes in no pool's path")
    if plan.user and bool(plan.secret_uuid) == bool(plan.secret_usage):
        raise Invalid("--auth-user needs either --secret-uuid or --secret-usage", "virsh secret-list shows them")
    if not plan.user and (plan.secret_uuid or plan.secret_usage):
        raise Invalid("a secret needs an --auth-user")


def _put_source(source: xml.Element, kind: str, plan: PoolPlan) -> None:
    for host in plan.hosts:
        name, port = _host(host)
        xml.add(source, "host", name=name, port=port)
    if plan.source_path:
        xml.add(source, "dir", path=plan.source_path)
    for device in plan.devices:
        xml.add(source, "device", path=device)
    if plan.source_name:
        xml.add(source, "name", plan.source_name)
    if plan.user:
        auth = xml.add(source, "auth", type=KINDS[kind].auth, username=plan.user)
        xml.add(auth, "secret", uuid=plan.secret_uuid, usage=plan.secret_usage)
    if plan.source_format:
        xml.add(source, "format", type=plan.source_format)


def _host(text: str) -> tuple[str, str | None]:
    """("::1", "3260") for "[::1]:3260". Raises Invalid."""
    if text.startswith("["):
        name, closed, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or None
        if not closed or (rest and not rest.startswith(":")):
            raise Invalid(f"{text!r} is no host", "an IPv6 address with a port is written [ADDRESS]:PORT")
    elif text.count(":") == 1:
        name, _, port = text.partition(":")
    else:
        name, port = text, None
    if not name or (port is not None and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise Invalid(f"{text!r} is no host, or its port is none")
    return name, port
