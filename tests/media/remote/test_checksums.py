"""Sums files as projects publish them."""

from __future__ import annotations

import pytest

from kimchictl.errors import Invalid
from kimchictl.media.remote.checksums import Checksum, find_sum, parse_checksum, parse_sums

A, B, LONG = "a" * 64, "B" * 64, "c" * 128


@pytest.mark.parametrize(
    "text",
    [
        f"{A}  x.iso\n{B}  y.iso\n",
        f"{A} *x.iso\n",
        f"{A}  ./dir/x.iso\n",
        f"# x.iso: 5 bytes\nSHA256 (x.iso) = {A}\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: x\n\nSHA256 (x.iso) = {A}\n-----BEGIN PGP SIGNATURE-----\niQ\n",
        f"MD5 (x.iso) = {'d' * 32}\r\nSHA1 (x.iso) = {'d' * 40}\r\nSHA256 (x.iso) = {A}\r\n",
    ],
)
def test_every_published_form_is_read(text: str) -> None:
    assert find_sum(text, ["x.iso"], "SHA256SUMS") == Checksum("sha256", A)


def test_the_stronger_of_two_counts() -> None:
    assert parse_sums(f"{LONG}  x\n{A}  x\n") == parse_sums(f"{A}  x\n{LONG}  x\n") == {"x": Checksum("sha512", LONG)}


def test_a_name_that_is_not_listed_has_none() -> None:
    assert find_sum(f"{A}  x.iso\n", ["y.iso"], "SHA256SUMS") is None
    assert find_sum(f"{'e' * 70}  x.iso\nSHA512 (x.iso) = {A}\n", ["x.iso"], "SHA256SUMS") is None


def test_a_sums_file_for_one_image_counts_whatever_it_calls_it() -> None:
    names = ["x-latest.iso", "x-1.2.iso"]
    assert find_sum(f"{B}\n", names, "x-latest.iso.sha256") == Checksum("sha256", B.lower())
    assert find_sum(f"{A}  x-build7.iso\n", names, "x-latest.iso.sha256") == Checksum("sha256", A)
    assert find_sum(f"{A}  x-build7.iso\n{B}  z.iso\n", names, "x-latest.iso.sha256") is None


def test_a_checksum_is_told_from_a_url() -> None:
    assert parse_checksum(f"sha256:{B}") == Checksum("sha256", B.lower())
    assert parse_checksum("https://h/SHA256SUMS") is None
    for wrong in ("sha256:zz", "sha256:" + "a" * 63, "md5:" + "a" * 32, "nothing", "sha256:"):
        with pytest.raises(Invalid):
            parse_checksum(wrong)
