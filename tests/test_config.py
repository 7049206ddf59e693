import pytest

from kimchictl import config
from kimchictl.config.hosts import split_hosts, uri_of
from kimchictl.errors import Damaged, Invalid, UsageError


@pytest.fixture
def written(tmp_path):
    """Writes kimchictl.toml and loads it with the given environment and options."""

    def load(text, environ=None, **options):
        (tmp_path / "kimchictl.toml").write_text(text)
        return config.load({"KIMCHI_CONFIG_DIR": str(tmp_path), **(environ or {})}, options)

    return load


def test_options_come_over_the_environment_over_files_over_defaults(written):
    loaded = written(
        'output = "csv"\n[vm]\nvirt_type = "kvm"\nmedia = "fetch"\n', {"KIMCHICTL_VM_VIRT_TYPE": "qemu"}, output="json"
    )
    assert (loaded["output"], loaded["vm.virt_type"], loaded["vm.media"], loaded["color"]) == (
        "json",
        "qemu",
        "fetch",
        "auto",
    )
    assert loaded.origins["vm.virt_type"] == "KIMCHICTL_VM_VIRT_TYPE"
    assert loaded.origins["vm.media"].endswith("kimchictl.toml")


SPELLED = {"text": "x", "flag": "yes", "list": "a:b", "paths": "/a:/b", "path": "/a", "duration": "2m", "number": "3"}
SPELLED |= {"mebibytes": "2G", "gibibytes": "2G"}


@pytest.mark.parametrize("key", config.KEYS.values(), ids=lambda key: key.name)
def test_every_key_has_a_variable_that_goes_before_the_files(written, key):
    text = key.choices[-1] if key.choices else SPELLED[key.kind]
    loaded = written("", {key.variable: text})
    assert key.variable == "KIMCHICTL_" + key.name.upper().replace(".", "_")
    assert (loaded.origins[key.name], loaded.unknown) == (key.variable, ())
    assert loaded[key.name] != key.default


def test_sizes_lists_and_durations_are_read_as_what_they_are(written):
    loaded = written('lock_timeout = "1m"\n[template]\nmemory = "2G"\n[scan]\npaths = ["/srv", "/iso"]\n')
    assert (loaded["lock_timeout"], loaded["template.memory"], loaded["scan.paths"]) == (60, 2048, ("/srv", "/iso"))


@pytest.mark.parametrize(
    "text",
    [
        'output = "xml"',
        "[vm]\nvirt_type = 3",
        '[scan]\npaths = ["relative"]',
        "[template]\nvcpus = -1",
        "lock_timeout = true",
        "hosts = 3",
    ],
)
def test_a_wrong_value_names_file_and_key(written, text):
    with pytest.raises(Invalid, match=r"kimchictl\.toml"):
        written(text)


def test_what_is_no_toml_names_the_file(written):
    with pytest.raises(Damaged, match="not valid TOML"):
        written("[vm\n")


def test_unknown_keys_are_named_and_free_sections_are_kept(written):
    loaded = written(
        '[vm]\ncolour = "red"\n[hosts.big]\nuri = "test:///default"\n[mirrors]\n"https://a/" = "https://b/"\n'
    )
    assert [text.rpartition(": ")[2] for text in loaded.unknown] == ["vm.colour"]
    assert loaded.hosts["big"]["uri"] == "test:///default"
    assert loaded.mirrors == {"https://a/": "https://b/"}


def test_root_and_users_have_places_of_their_own_and_a_user_reads_roots_first():
    root, user = (
        config.find_places({}, uid=0),
        config.find_places({"HOME": "/home/ann", "XDG_STATE_HOME": "/s"}, uid=1000),
    )
    assert root.config_dirs == ("/etc/kimchi",)
    assert user.config_dirs == ("/etc/kimchi", "/home/ann/.config/kimchi")
    assert user.own_state == "/s/kimchi"


def test_an_override_replaces_its_row_altogether():
    places = config.find_places({"KIMCHI_CONFIG_DIR": "/x", "HOME": "/home/ann"}, uid=1000)
    assert places.config_dirs == ("/x",)


def test_no_home_and_no_account_are_no_obstacle():
    assert config.find_places({}, uid=54321).own_config == "/nonexistent/.config/kimchi"


def test_a_variable_that_names_no_key_is_named(written):
    assert written("", {"KIMCHICTL_CONECT": "x", "KIMCHICTL_VM_VIRT_TYPE": "qemu"}).unknown == ("KIMCHICTL_CONECT",)


@pytest.mark.parametrize(
    ("named", "hosts"),
    [
        ("lab, office", ("lab", "office")),
        ("lab,qemu+ssh://far/system", ("lab", "qemu+ssh://far/system")),
        ("qemu+ssh://far/system?keyfile=a,b", ("qemu+ssh://far/system?keyfile=a,b",)),
        ("", ("",)),
    ],
)
def test_several_hosts_are_named_only_where_each_part_is_one(named, hosts):
    assert split_hosts(named, {"lab": {}, "office": {}}) == hosts


def test_a_host_goes_by_its_name_or_its_uri():
    hosts = {"lab": {"uri": "qemu:///system"}, "broken": {}}
    assert [uri_of(name, hosts) for name in ("lab", "test:///default")] == ["qemu:///system", "test:///default"]
    for name in ("labb", "broken"):
        with pytest.raises(UsageError, match="neither a connection URI nor a configured host"):
            uri_of(name, hosts)
