"""What is refused, is refused whole: nothing on stdout, nothing done before, and a next step where there is one."""

import pytest

from lab.images import make_image

TEST_HOST = ("-c", "test:///default")


@pytest.mark.parametrize(
    "words",
    [
        ("iso", "scan", "--deep", "/nonexistent/top"),
        ("iso", "probe", "/nonexistent/a.iso"),
        ("iso", "probe", "--explain", "/nonexistent/a.iso", "/nonexistent/b.iso"),
        ("template", "check", "nosuch"),
        ("template", "clone", "nosuch", "none"),
        ("template", "create", "--cdrom", "/nonexistent/a.iso", "--cdrom", "/nonexistent/b.iso"),
        ("template", "export", "nosuch", "none"),
        ("distro", "check", "nosuch"),
        ("distro", "show", "nosuch"),
        ("vm", "show", "nosuch"),
        ("volume", "list", "nosuch"),
    ],
)
@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_command_that_found_none_of_its_names_prints_nothing_on_stdout(kimchi, words, form):
    run = kimchi(*TEST_HOST, *words, "-o", form, status=3)
    assert run.out == ""
    assert form != "json" or '"not_found"' in run.err


@pytest.mark.parametrize("wrong", [("--filter", "nosuch=1"), ("--columns", "nosuch"), ("--sort", "-nosuch")])
def test_a_scan_that_could_not_be_shown_is_refused_before_it_counts_as_seen(kimchi, tmp_path, wrong):
    make_image(tmp_path / "a.iso", "SLES10")
    assert kimchi("iso", "scan", "--deep", tmp_path, "--changed", *wrong, status=2).out == ""
    assert len(kimchi("iso", "scan", "--deep", tmp_path, "--changed", "-o", "json", status=0).json) == 1


def test_a_rule_that_cannot_be_kept_is_not_shown_as_if_it_were(kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "APPLIANCE_4.2")
    words = ("iso", "teach", tmp_path / "a.iso", "--os-distro", "appliance", "--os-version", "4.2")
    kimchi(*words, status=0)
    assert kimchi(*words, status=4).out == ""


def test_an_ambiguous_size_in_a_filter_is_wrong_usage(kimchi, tmp_path):
    make_image(tmp_path / "a.iso", "SLES10")
    kimchi("iso", "scan", "--deep", tmp_path)
    for text in ("size>=1MB", "size=1GB"):
        assert "ambiguous" in kimchi("iso", "list", "--filter", text, status=2).err
    kimchi("iso", "list", "--filter", "location~1MB", status=0)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("vm", "show", "tset"), "test"),
        (("vm", "start", "tests"), "test"),
        (("pool", "show", "defaultpool"), "default-pool"),
        (("volume", "list", "default_pool"), "default-pool"),
        (("network", "show", "defualt"), "default"),
        (("vm", "nic", "attach", "test", "defualt"), "default"),
        (("stats", "show", "tset"), "test"),
    ],
)
def test_a_mistyped_name_of_something_on_the_host_gets_a_suggestion(kimchi, words, meant):
    assert f"did you mean '{meant}'?" in kimchi(*TEST_HOST, *words, status=3).err


def test_a_mistyped_volume_gets_a_suggestion(kimchi, tmp_path):
    from kimchictl.virt.connection import open_host

    with open_host("test:///default"):  # its state lives as long as a connection
        kimchi(*TEST_HOST, "volume", "create", "default-pool", "data.img", "--size", "1", "--format", "raw", status=0)
        run = kimchi(*TEST_HOST, "volume", "show", "default-pool", "dta.img", status=3)
        assert "did you mean 'data.img'?" in run.err


@pytest.mark.parametrize(
    "line",
    [
        "distro check --columns nonsense",
        "template check --sort nonsense",
        "host check --filter nonsense=1",
        "iso probe /nonexistent --columns nonsense",
        "iso scan --deep /nonexistent --columns nonsense",
    ],
)
def test_a_key_that_is_none_is_refused_before_work_that_takes_long(kimchi, line):
    done = kimchi(*line.split(), status=2)
    assert "there is no key 'nonsense' here" in done.err.splitlines()[0]
