"""The test images are what they claim: they boot, and their boot sector is boot.S."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lab.images import BOOT_DONE, BOOT_OK, boot_sector, make_image


@pytest.mark.skipif(not (shutil.which("as") and shutil.which("ld")), reason="no assembler")
def test_the_embedded_boot_sector_is_boot_s_assembled(tmp_path: Path) -> None:
    source = Path(__file__).with_name("boot.S")
    made, linked = tmp_path / "boot.o", tmp_path / "boot.bin"
    if subprocess.run(["as", "--32", "-o", made, source], capture_output=True).returncode:
        pytest.skip("the assembler is for another machine")
    link = ["ld", "-m", "elf_i386", "-Ttext=0x7c00", "--oformat", "binary", "-e", "start", "-o", linked, made]
    subprocess.run(link, check=True, capture_output=True)
    assert linked.read_bytes() == boot_sector()


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="no qemu")
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_an_image_boots_reads_its_cd_and_powers_off(tmp_path: Path, machine: str) -> None:
    image = make_image(tmp_path / "a.iso", uefi=True, joliet=True, payload="hello from sector n", poweroff=True)
    options = ["-accel", "tcg", "-M", machine, "-m", "16", "-display", "none", "-monitor", "none", "-no-reboot"]
    command = ["qemu-system-x86_64", *options, "-nodefaults", "-vga", "std", "-serial", "stdio", "-cdrom", str(image)]
    shown = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True)
    assert f"{BOOT_OK} hello from sector n" in shown.stdout
    assert BOOT_DONE in shown.stdout
