"""Mutants of real images: bench/fuzz_images.py does the same a million times."""

from __future__ import annotations

import pytest

from kimchictl.media import descriptors
from kimchictl.media.naming.namer import Namer
from kimchictl.media.naming.osinfo import open_database
from lab.mutations import Mutant, Sectors, examine, mutant, originals


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> list[Sectors]:
    return originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="module")
def namer(tmp_path_factory: pytest.TempPathFactory) -> Namer:
    """Our own rules alone."""
    return Namer(open_database((), str(tmp_path_factory.mktemp("cache"))), [])


def test_no_mutant_breaks_the_reader_or_is_read_beyond_the_bounds(bases: list[Sectors], namer: Namer) -> None:
    wrong = {seed: verdict.wrong for seed in range(4000) if (verdict := examine(mutant(seed, bases), namer)).wrong}
    assert wrong == {}


def test_many_mutants_are_still_images_and_many_are_none(bases: list[Sectors], namer: Namer) -> None:
    accepted = [examine(mutant(seed, bases), namer).accepted for seed in range(500)]
    assert 100 < sum(accepted) < 400


def test_a_seed_makes_the_same_image_again(bases: list[Sectors]) -> None:
    assert [mutant(7, bases).sectors, mutant(7, bases).size] == [mutant(7, bases).sectors, mutant(7, bases).size]


def test_a_reader_that_breaks_is_noticed(bases: list[Sectors], namer: Namer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "_text", lambda field: field.decode())
    broken = [verdict.wrong for seed in range(500) if (verdict := examine(mutant(seed, bases), namer)).wrong]
    assert any("UnicodeDecodeError" in text for text in broken)


def test_a_medium_of_descriptors_without_end_is_given_up() -> None:
    endless = Mutant({at: b"\1CD001\1".ljust(2048, b"\0") for at in range(16, 4000)}, None)
    found = descriptors.read_media(endless)
    assert found.volume_id == "" and endless.asked <= descriptors.MAX_READ
