"""Writes a small database in osinfo-db's format: what a test needs of it, and nothing of the real one."""

from pathlib import Path


def write(tree: Path, name: str, *systems: str) -> Path:
    """The file os/NAME below `tree` with these systems (see `system`)."""
    path = tree / "os" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'<?xml version="1.0"?>\n<libosinfo version="0.0.1">{"".join(systems)}</libosinfo>\n')
    return path


def system(
    short_id: str,
    *media: str,
    distro: str = "foo",
    version: str = "1",
    extra: str = "",
    released: str = "2020-01-01",
    status: str = "",
) -> str:
    """One operating system; `media` are elements from `medium`, `extra` any other elements."""
    status = f"<release-status>{status}</release-status>" if status else ""
    return (
        f'<os id="http://example.org/{short_id}"><short-id>{short_id}</short-id>'
        f'<name>The {short_id}</name><name xml:lang="fi">Se {short_id}</name><version>{version}</version>'
        f"<family>linux</family><distro>{distro}</distro><release-date>{released}</release-date>{status}"
        f"{extra}{''.join(media)}</os>"
    )


def medium(arch: str = "x86_64", live: bool = False, **labels: str) -> str:
    """One medium; labels are volume, system, publisher, application as patterns, and size."""
    names = {"size": "volume-size"}
    inner = "".join(f"<{(tag := names.get(k, f'{k}-id'))}>{text}</{tag}>" for k, text in labels.items())
    return f'<media arch="{arch}" live="{str(live).lower()}"><iso>{inner}</iso></media>'
