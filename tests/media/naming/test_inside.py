"""A file of the medium tells what its labels leave open, within bounds."""

import io
import struct

import pycdlib
import pytest

from kimchictl.media.descriptors import read_media
from kimchictl.media.naming import inside
from kimchictl.media.naming.identify import identify
from kimchictl.media.naming.inside import look_inside
from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import open_database
from kimchictl.media.source import FileSource

INFO = b'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST 20240210-11:27\n'
TREEINFO = b"[general]\nname = CentOS-6.6\nfamily = CentOS\nversion = 6.6\narch = x86_64\n\n[stage2]\nversion = 1\n"
REPO = b"[InstallMedia]\nname=Red Hat Enterprise Linux 7.9\nmediaid=1599.4\n"

NAMER = Namer(open_database(("/nonexistent",), None))


def wim(build=22631, product="WinNT", arch=9):
    """The shape of sources/install.wim: a header, some content, XML in UTF-16 at the end."""
    version = f"<VERSION><MAJOR>10</MAJOR><MINOR>0</MINOR><BUILD>{build}</BUILD></VERSION>"
    windows = f"<WINDOWS><ARCH>{arch}</ARCH><PRODUCTTYPE>{product}</PRODUCTTYPE>{version}</WINDOWS>"
    xml = f'\ufeff<WIM><TOTALBYTES>1</TOTALBYTES><IMAGE INDEX="1">{windows}</IMAGE></WIM>'.encode("utf-16-le")
    header = b"MSWIM\0\0\0" + bytes(64) + struct.pack("<QQ", len(xml) | 2 << 56, 5000)
    return header.ljust(5000, b"\0") + xml


@pytest.fixture
def image(tmp_path):
    """Writes an image that holds the files given, as {path: content}, and opens it."""
    sources = []

    def make(files, label="UNNAMED", **kinds):
        iso = pycdlib.PyCdlib()
        iso.new(vol_ident=label, interchange_level=3, **kinds)
        made = set()
        for path, content in files.items():
            *above, _ = path.split("/")
            for depth in range(1, len(above) + 1):
                if (directory := "/".join(above[:depth])) not in made:
                    iso.add_directory(**names(directory, kinds, ""))
                    made.add(directory)
            iso.add_fp(io.BytesIO(content), len(content), **names(path, kinds, ";1"))
        target = tmp_path / f"{len(sources)}.iso"
        iso.write(str(target))
        iso.close()
        sources.append(FileSource(str(target)))
        return sources[-1]

    yield make
    for source in sources:
        source.close()


def names(path, kinds, version):
    plain = "/" + path.upper().replace("-", "_")
    plain = plain.replace("/.", "/_", 1)
    if "." not in plain.rpartition("/")[2] and version:
        plain += "."
    given = {"iso_path": plain + version}
    if "rock_ridge" in kinds:
        given["rr_name"] = path.rpartition("/")[2]
    if "joliet" in kinds:
        given["joliet_path"] = "/" + path
    if "udf" in kinds:
        given["udf_path"] = "/" + path
    return given


@pytest.mark.parametrize("kinds", [{}, {"rock_ridge": "1.09"}, {"joliet": 3}, {"udf": "2.60"}])
def test_a_file_is_found_by_any_of_the_names_that_a_medium_gives_it(image, kinds):
    found = look_inside(image({"readme": b"x", ".disk/info": INFO}, **kinds))
    assert (found.path, found.text) == (".disk/info", "disk " + INFO.decode().strip())


def test_a_rock_ridge_name_counts_whatever_the_plain_one_is(tmp_path):
    iso = pycdlib.PyCdlib()
    iso.new(vol_ident="UNNAMED", rock_ridge="1.09")
    iso.add_fp(io.BytesIO(REPO), len(REPO), "/A.;1", rr_name="media.repo")
    iso.write(str(tmp_path / "rr.iso"))
    iso.close()
    with FileSource(str(tmp_path / "rr.iso")) as source:
        assert look_inside(source).path == "media.repo"


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        (".disk/info", INFO, "debian 12.5.0 x86_64"),
        (".treeinfo", TREEINFO, "centos 6.6 x86_64"),
        ("media.repo", REPO, "rhel 7.9 -"),
        (".cd-info", b"PRODUCT='pve'\nPRODUCTLONG='Proxmox VE'\nRELEASE='8.1'\n", "proxmox-ve 8.1 x86_64"),
        (".treeinfo", b"[platform]\nversion = 3\n[branding]\nname = XCP-ng\nversion = 8.3.0\n", "xcp-ng 8.3.0 x86_64"),
        ("sources/install.wim", wim(), "windows 11 x86_64"),
        ("sources/install.wim", wim(19045), "windows 10 x86_64"),
        ("sources/install.wim", wim(26100, "ServerNT"), "windows 2025 x86_64"),
        ("sources/install.esd", wim(26100, arch=12), "windows 11 aarch64"),
    ],
)
def test_an_image_without_a_telling_label_is_named_by_what_it_holds(image, path, content, expected):
    source = image({path: content}, udf="2.60")
    found = identify(read_media(source), source, NAMER)
    assert f"{found.os_distro} {found.os_version} {found.os_arch or '-'}" == expected
    assert found.identified_by.startswith("inside:")


def test_of_a_label_that_several_systems_share_the_inside_decides(image):
    source = image({"sources/install.wim": wim(17763, "ServerNT")}, "SSS_X64FREE_EN-US_DV9", udf="2.60")
    evidence = NAMER.explain(read_media(source), lambda: look_inside(source))
    assert (evidence.identity.os_version, evidence.identity.os_variant) == ("2019", "win2k19")
    assert [other.version for other in evidence.runners_up] == ["2022", "2016", "2025"]
    assert evidence.inside == "wim server 10.0.17763 x86_64"


def test_a_label_that_decides_is_not_contradicted_by_what_the_image_holds(image):
    source = image({".disk/info": INFO}, "Fedora-S-dvd-x86_64-40")
    assert identify(read_media(source), source, NAMER).os_distro == "fedora"


def test_a_shared_label_keeps_its_distribution_whatever_the_image_holds(image):
    source = image({".disk/info": INFO}, "SSS_X64FREE_EN-US_DV9")
    assert identify(read_media(source), source, NAMER).os_distro == "windows"


def test_the_architecture_is_that_of_the_boot_files_where_no_label_says_it(image):
    source = image({"EFI/BOOT/BOOTAA64.EFI": b"MZ"}, "Fedora-WS-Live-43")
    assert identify(read_media(source), source, NAMER).os_arch == "aarch64"


def test_a_volume_of_somebodys_own_files_is_not_looked_into(image):
    source = image({".disk/info": INFO}, "BACKUP_2024")
    assert identify(read_media(source), source, NAMER).os_distro == "unknown"


def test_a_look_costs_few_reads_however_many_files_there_are(image, monkeypatch):
    source = image({f"F{number:05d}": b"" for number in range(2000)} | {".disk/info": INFO}, rock_ridge="1.09")
    reads = []
    monkeypatch.setattr(FileSource, "read", counted(FileSource.read, reads))
    assert look_inside(source).text
    assert len(reads) <= inside.MAX_READS and sum(reads) <= inside.MAX_BYTES


def counted(read, sizes):
    def counting(self, offset, size):
        sizes.append(size)
        return read(self, offset, size)

    return counting


@pytest.mark.parametrize("kinds", [{"rock_ridge": "1.09", "joliet": 3}, {"udf": "2.60"}])
def test_an_image_cut_at_any_sector_is_looked_into_without_a_fuss(image, tmp_path, kinds):
    whole = image({"sources/install.wim": wim(), "EFI/BOOT/BOOTX64.EFI": b"MZ"}, **kinds)
    content = whole.read(0, whole.size)
    for end in range(0, len(content), 2048):
        target = tmp_path / "cut.iso"
        target.write_bytes(content[:end])
        with FileSource(str(target)) as source:
            look_inside(source)


def test_an_image_with_any_byte_of_its_directories_wrong_is_looked_into_without_a_fuss(image, tmp_path):
    whole = image({"sources/install.wim": wim(), ".disk/info": INFO}, udf="2.60", rock_ridge="1.09")
    content = whole.read(0, whole.size)
    for at in range(16 * 2048, min(len(content), 300 * 2048), 487):
        target = tmp_path / "wrong.iso"
        target.write_bytes(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :])
        with FileSource(str(target)) as source:
            look_inside(source)


def test_a_wim_whose_xml_is_a_bomb_says_nothing(image):
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><WIM><IMAGE>&c;</IMAGE></WIM>'.encode("utf-16")
    header = b"MSWIM\0\0\0" + bytes(64) + struct.pack("<QQ", len(bomb), 200)
    source = image({"sources/install.wim": header.ljust(200, b"\0") + bomb}, udf="2.60")
    assert look_inside(source).text is None
