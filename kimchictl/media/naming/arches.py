"""Names of architectures as labels spell them, and the one name that libosinfo and libvirt have for each."""

import re

_SPELLINGS = {
    "x86_64": "x86_64 x86-64 amd64 x64 em64t intel64 64bit 64-bit x86_ x86_6",
    "i686": "i686 i586 i486 i386 x86 ia32 x32 32bit 32-bit 386",
    "aarch64": "aarch64 arm64 armv8 a64",
    "armv7l": "armv7l armv7 armhfp armhf arm32 arm",
    "armv6l": "armv6l armel",
    "ppc64le": "ppc64le ppc64el p64el powerpc64le",
    "ppc64": "ppc64 powerpc64",
    "ppc": "powerpc ppc macppc",
    "s390x": "s390x",
    "s390": "s390",
    "riscv64": "riscv64gc riscv64 riscv",
    "loongarch64": "loongarch64 loong64 loongarch",
    "mips64el": "mips64el mips64le",
    "mipsel": "mipsel",
    "mips": "mips",
    "sparc64": "sparc64",
    "sparc": "sparc",
    "ia64": "ia64 itanium",
    "alpha": "alpha",
    "parisc": "hppa parisc",
    "sw_64": "sw_64 sw64",
}
_CANONICAL = {spelling: arch for arch, names in _SPELLINGS.items() for spelling in names.split()}

# The longest spelling first, so that "ppc64le" is not taken for "ppc" and a rest.
ARCH_PATTERN = "|".join(
    "x86(?![_-]6)" if spelling == "x86" else re.escape(spelling)
    for spelling in sorted(_CANONICAL, key=lambda name: (-len(name), name))
)


def canonical_arch(spelling: str) -> str | None:
    """libosinfo's name for an architecture ("amd64" -> "x86_64"), None for what is none."""
    return _CANONICAL.get(spelling.lower())


def arch_in(text: str) -> str | None:
    """The architecture that a label mentions as a word of its own, or None. Bare digits are no mention."""
    match = re.search(rf"(?<![A-Za-z0-9])(?:{ARCH_PATTERN})(?![A-Za-z0-9])", text, re.IGNORECASE)
    return canonical_arch(match[0]) if match and match[0] != "386" else None


def arch_of(*labels: str) -> str | None:
    """The architecture that the first of the labels to mention one mentions."""
    return next((arch for arch in map(arch_in, labels) if arch), None)
