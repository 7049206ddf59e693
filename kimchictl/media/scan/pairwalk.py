"""A large tree walked by two processes: the directories near its top first, then the subtrees by who is free.

The trail is no longer in order, but parents still come before what is below them.
"""

import json
import os
from collections import deque
from contextlib import closing

from kimchictl.media.scan.child import Child, Shares, processors
from kimchictl.media.scan.walk import Walk

_SUBTREES = 256  # so many that neither waits long for the other's last one
_LONG = 1024  # bytes of a path: what lies deeper is no longer near the top, and soon too long to be opened by its path


def walk_place(walk: Walk, place: bytes) -> None:
    """Read `place`, a real path, and all below it that the rules let in, with a second process if that pays."""
    if not walk.enter(place):
        return
    subtrees = _near_the_top(walk, place) if processors() > 1 and walk.divisible else [place]
    if len(subtrees) < _SUBTREES:
        for top in subtrees:
            walk.descend(top)
    else:
        _divide(walk, subtrees)
    walk.follow_links()


def _near_the_top(walk: Walk, place: bytes) -> list[bytes]:
    """Read level by level until there are enough subtrees, or no more directories."""
    waiting = deque([place])
    while waiting and len(waiting) < _SUBTREES and len(waiting[0]) < _LONG and not walk.interrupted:
        path = waiting.popleft()
        below = path.rstrip(b"/") + b"/"
        waiting += [below + name for name in walk.read(path)]
    return list(waiting)


def _divide(walk: Walk, subtrees: list[bytes]) -> None:
    with closing(Shares(len(subtrees))) as shares, Child(lambda: _second(walk, subtrees, shares)) as child:
        _take(walk, subtrees, shares)
        content = child.result()
    if content is None:
        walk.interrupted = True  # killed, it took the knowledge of its share along
    else:
        _merge(walk, content)


def _take(walk: Walk, subtrees: list[bytes], shares: Shares) -> None:
    for share in shares:
        for top in subtrees[share]:
            if not walk.interrupted:
                walk.descend(top)


def _second(walk: Walk, subtrees: list[bytes], shares: Shares) -> bytes:
    """In the child: walk, and give what that added as bytes."""
    walk.begin_anew()
    _take(walk, subtrees, shares)
    trail = walk.trail
    trail.close_run()
    columns = (trail.lengths, trail.stamps, trail.devices, trail.inodes)
    parts = [column.tobytes() for column in columns]
    parts += [b"\0\0".join(texts) for texts in (trail.heads, trail.names, walk.files)]
    about = {
        "sizes": [len(part) for part in parts],
        "problems": {os.fsdecode(path): why for path, why in walk.problems.items()},
        "counters": [walk.counters.read, walk.counters.files],
        "interrupted": walk.interrupted,
    }
    return b"".join((json.dumps(about).encode(), b"\n", *parts))


def _merge(walk: Walk, content: bytes) -> None:
    """In the parent: take over what the child gave."""
    at = content.index(b"\n") + 1
    about, trail = json.loads(content[:at]), walk.trail
    parts = []
    for size in about["sizes"]:
        parts.append(memoryview(content)[at : at + size])
        at += size
    trail.close_run()
    for column, part in zip((trail.lengths, trail.stamps, trail.devices, trail.inodes), parts, strict=False):
        column.frombytes(part)
    heads, names, files = map(bytes, parts[4:])
    if heads:
        trail.heads += heads.split(b"\0\0")
        trail.names += names.split(b"\0\0")
    if files:
        walk.files += files.split(b"\0\0")
    walk.problems |= {os.fsencode(path): why for path, why in about["problems"].items()}
    walk.counters.read += about["counters"][0]
    walk.counters.files += about["counters"][1]
    walk.interrupted |= about["interrupted"]
