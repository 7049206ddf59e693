import pytest

from kimchictl.errors import Invalid
from kimchictl.units import GIB, MIB, format_size, format_time, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512M", 512 * MIB),
        ("2G", 2 * GIB),
        ("1.5GiB", 3 * GIB // 2),
        ("2g", 2 * GIB),
        ("7b", 7),
        (" 1 K ", 1024),
        ("0.1G", 107374182),
    ],
)
def test_a_size_is_a_power_of_two(text, size):
    assert parse_size(text) == size


def test_a_bare_number_counts_in_the_unit_of_its_option():
    assert parse_size("20", bare=GIB) == 20 * GIB


@pytest.mark.parametrize("text", ["2GB", "1 mb", "", "-1", "1e3", "G", "1,5G", "२G", "9" * 30, "2Gx", "1.G"])
def test_what_is_no_size_or_ambiguous_is_refused(text):
    with pytest.raises(Invalid, match=r"size|ambiguous"):
        parse_size(text)


def test_sizes_read_back_for_a_person():
    assert [format_size(n) for n in (None, 0, 1023, 1536, GIB, 5 << 60)] == [
        "-",
        "0 B",
        "1023 B",
        "1.5 KiB",
        "1 GiB",
        "5120 PiB",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("250ms", 0.25), ("7", 7), ("1.5m", 90)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


def test_what_is_no_duration_is_refused():
    with pytest.raises(Invalid, match="duration '5 parsecs'"):
        parse_duration("5 parsecs")


def test_times_are_rfc_3339_in_utc_and_an_impossible_one_is_unknown():
    assert format_time(0.9) == "1970-01-01T00:00:00Z"
    assert format_time(1e300) is None
    assert format_time(None) is None
