"""The index: what is written is read again, whoever wrote it, and layers lie over each other."""

import json
import os
import random
import stat
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kimchictl.errors import Damaged
from kimchictl.media.records import Image
from kimchictl.media.scan import stamps
from kimchictl.media.scan.document import Document, Place, read_document, to_bytes
from kimchictl.media.scan.entries import Entry, to_row
from kimchictl.media.scan.index import Index
from kimchictl.media.scan.trail import Trail


def image(location: str, **values: Any) -> Image:
    return Image(location=location, source="file", size=1 << 20, boot=("bios",), bootable=True, **values)


def document(*images: Image, place: str = "/srv", **values: Any) -> Document:
    entries = {one.location: Entry(one.location, (1, 2, 3, 4, 5), to_row(one)) for one in images}
    return Document({place: Place(entries=entries, **values)})


def put(index: Index, content: Document) -> None:
    with index.session() as now:
        now.places.update(content.places)


@pytest.fixture
def index(tmp_path: Path) -> Index:
    return Index([str(tmp_path / "system"), str(tmp_path / "own")], 0.2)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    wanted = document(
        image("/srv/a\udcff.iso", volume_id="é\x1b[1m"),
        since={"/srv/b": None},
        mounts=[["/", "ext4", "/dev/sda1", "/", "1"]],
    )
    wanted.declined.add(("/srv/x.iso", None, "X"))
    (tmp_path / "images").write_bytes(to_bytes(wanted))
    assert read_document(str(tmp_path / "images")) == wanted


def test_of_the_same_location_the_nearest_layer_counts_and_a_pool_before_a_tree(index: Index) -> None:
    system = Index(index.directories[:1] and [os.path.dirname(index.directories[0])])
    put(system, document(image("/srv/a.iso", volume_id="system"), image("/srv/b.iso", volume_id="system")))
    put(index, document(image("/srv/a.iso", volume_id="own"), place="pool:default"))
    put(index, document(image("/srv/a.iso", volume_id="tree"), place="/srv"))
    assert [(one.location, one.volume_id) for one in index.images().images] == [
        ("/srv/a.iso", "own"),
        ("/srv/b.iso", "system"),
    ]


def test_images_of_the_layer_below_say_whether_this_user_can_read_them(index: Index, tmp_path: Path) -> None:
    (tmp_path / "here.iso").touch()
    put(
        Index([os.path.dirname(index.directories[0])]),
        document(image(str(tmp_path / "gone.iso")), image(str(tmp_path / "here.iso"))),
    )
    assert [one.readable for one in index.images().images] == [False, True]


def test_images_of_another_host_are_listed_for_that_host_alone(index: Index) -> None:
    put(index, document(image("/there.iso", host="qemu+ssh://x/system"), place="pool:x", host="qemu+ssh://x/system"))
    assert index.images().images == ()
    assert len(index.images("qemu+ssh://x/system").images) == 1


def test_who_may_not_read_the_systems_index_is_told_so(tmp_path: Path) -> None:
    system = Index([str(tmp_path / "system")])
    put(system, document(image("/srv/a.iso")))
    uid = os.geteuid()
    if uid == 0:
        os.seteuid(65534)  # pytest's directories are root's alone
    else:
        Path(system.own).chmod(0)
    try:
        found = Index([str(tmp_path / "system"), str(tmp_path / "own")]).images()
    finally:
        os.seteuid(uid)
        Path(system.own).chmod(0o700)
    assert found.images == () and "may not be read by this user" in found.notes[0]


def test_who_has_images_of_his_own_is_told_of_the_systems_index_only_on_request(index: Index) -> None:
    put(index, document(image("/home/a.iso")))
    Path(index.directories[0], "images").mkdir(parents=True)
    found = index.images()
    assert len(found.images) == 1 and found.notes == () and "cannot read the scan index" in found.details[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="a user's own index is his alone")
def test_roots_index_is_readable_for_the_group_libvirt_and_nobody_else(tmp_path: Path) -> None:
    import grp

    group = grp.getgrnam("libvirt").gr_gid if "libvirt" in {each.gr_name for each in grp.getgrall()} else 0
    index = Index([str(tmp_path)])
    put(index, document(image("/srv/a.iso")))
    status = os.stat(os.path.join(index.own, "images"))
    assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, group)


def test_a_failed_transaction_leaves_the_former_index(index: Index) -> None:
    put(index, document(image("/srv/a.iso")))
    before = Path(index.own, "images").read_bytes()
    with pytest.raises(RuntimeError), index.session() as now:
        now.places.clear()
        raise RuntimeError
    assert Path(index.own, "images").read_bytes() == before


def test_forgotten_images_are_listed_no_more_and_their_place_is_read_anew(index: Index) -> None:
    put(index, document(image("/srv/a/x.iso"), image("/srv/ab.iso"), stamps="0" * 16))
    assert index.forget(["/srv/a/"]) == ["/srv/a/x.iso"]
    assert [one.location for one in index.images().images] == ["/srv/ab.iso"]
    assert index.read().places["/srv"].stamps is None


def rewritten(content: bytes, change: Callable[[Any, list[str]], None]) -> bytes:
    """`content` as a program would have written it that has a mistake: the checksum is right."""
    _first, head, *rows = content.decode().split("\n")
    value = json.loads(head)
    change(value, rows)
    rest = "\n".join((json.dumps(value), *rows)).encode()
    return f"kimchictl-images 2 {zlib.crc32(rest):08x}\n".encode() + rest


def test_fields_that_another_version_wrote_or_did_not_are_no_damage(tmp_path: Path) -> None:
    def other(head: Any, rows: list[str]) -> None:
        head["fields"][head["fields"].index("edition")] = "colour"
        rows[0] = rows[0].replace('"edition": null', '"colour": ["red"]')

    path = tmp_path / "images"
    path.write_bytes(rewritten(to_bytes(document(image("/srv/a.iso", volume_id="A"))), other))
    assert read_document(str(path)).places["/srv"].entries["/srv/a.iso"].image == image("/srv/a.iso", volume_id="A")


def test_images_come_in_the_natural_order_of_their_locations_however_many_places_they_lie_in(index: Index) -> None:
    for place, names in (("/b", ("x10", "x9")), ("/a", ("y2",)), ("/", ("b/x9.5", "c"))):
        put(index, document(*(image(f"{place.rstrip('/')}/{name}") for name in names), place=place))
    assert list(index.images().rows) == ["/a/y2", "/b/x9", "/b/x9.5", "/b/x10", "/c"]
    index.forget(["/c", "/b/x9.5"])
    assert list(index.images().rows) == ["/a/y2", "/b/x9", "/b/x10"]


# ---- whoever wrote it ------------------------------------------------------------------------------------------------


def strange(value: Any, chance: random.Random) -> None:
    """Exchanges one thing in `value` for something of another kind."""
    parts: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
        parts += [(node, key) for key in keys]
        todo += [node[key] for key in keys]
    node, key = chance.choice(parts)
    node[key] = chance.choice([None, 7, -1, 1e300, "x", [], {}, [[]], True, {"a": 1}, [1, "x"], 1 << 80])


def test_an_index_of_any_other_shape_is_damaged_or_harmless(tmp_path: Path) -> None:
    (tmp_path / "scan").mkdir()
    path = tmp_path / "scan/images"
    for seed in range(100):
        content = document(image("/srv/a.iso"), image("/srv/b.iso"), since={"/srv/c": None}, problems={"/srv/x": "why"})
        chance = random.Random(seed)  # noqa: S311
        path.write_bytes(rewritten(to_bytes(content), lambda head, _rows, chance=chance: strange(head, chance)))
        found = Index([str(tmp_path)]).images()
        assert found.notes or all(isinstance(one.location, str) for one in found.images), seed
        try:
            to_bytes(read_document(str(path)))
        except Damaged:
            assert found.notes, seed


def test_a_damaged_index_is_never_believed(tmp_path: Path) -> None:
    for content in damaged(to_bytes(document(image("/srv/a.iso"), image("/srv/b.iso")))):
        (tmp_path / "images").write_bytes(content)
        with pytest.raises(Damaged):
            read_document(str(tmp_path / "images"))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[" * 100_000, b"null", b"[]", b'{"format": 99}', b"1" * 10_000]
)
def test_what_is_no_index_at_all_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(Damaged):
        read_document(str(tmp_path / "images"))


# ---- directory stamps ------------------------------------------------------------------------------------------------


def trail_of(paths: list[bytes]) -> Trail:
    trail = Trail()
    for number, path in enumerate(paths):
        trail.add(path, number + 1, 2, (1 << 64) - 1 - number)
    return trail


@pytest.mark.parametrize("top", [b"/", b"/a", b"/srv/iso"])
def test_stamps_are_read_as_they_were_written_whatever_the_names(top: bytes) -> None:
    names = [b"b", b"b-c", b"b/x", b"b/x/y", b"b0", b"\xff\n", b"b/" + b"d/" * 50 + b"e"]
    paths = [top, *(top.rstrip(b"/") + b"/" + name for name in names * 20)]
    read = stamps.decode(stamps.encode(trail_of(paths)))
    assert list(read.paths()) == paths
    assert (list(read.stamps), read.inodes[0]) == (list(range(1, len(paths) + 1)), (1 << 64) - 1)


def damaged(content: bytes) -> list[bytes]:
    chance = random.Random(1)  # noqa: S311
    cut = [content[: chance.randrange(len(content))] for _ in range(50)]
    flipped = [bytearray(content) for _ in range(200)]
    for one in flipped:
        one[chance.randrange(len(one))] ^= 1 << chance.randrange(8)
    return [b"", *cut, *map(bytes, flipped)]


def test_damaged_stamps_are_never_believed() -> None:
    content = stamps.encode(trail_of([b"/a", b"/a/b", b"/a/c"]))
    for one in damaged(content):
        with pytest.raises(Damaged):
            stamps.decode(one)


def test_a_directory_is_altered_if_anything_of_its_stamp_is_another(tmp_path: Path) -> None:
    status = os.stat(tmp_path)
    stamp = max(status.st_mtime_ns, status.st_ctime_ns)

    def altered(change: Callable[[Trail], None]) -> list[int]:
        trail = Trail()
        trail.add(os.fsencode(tmp_path), stamp, status.st_dev, status.st_ino)
        change(trail)
        return stamps.decode(stamps.encode(trail)).altered()

    assert altered(lambda trail: None) == []
    for column in ("stamps", "devices", "inodes"):
        assert altered(lambda trail, column=column: getattr(trail, column).__setitem__(0, 1)) == [0]
    assert altered(lambda trail: trail.stamps.__setitem__(0, 0)) == [0]
