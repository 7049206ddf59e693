"""Who is on a network that is stopped; with a real libvirtd in tests/host/test_networks.py."""

from kimchictl.virt.networks import start_network, stop_network


def test_the_vms_that_lose_their_link_are_named_while_they_have_it(host, driver):
    network, seen = driver.networkLookupByName("default"), []
    host.note = lambda said: seen.append((said, network.isActive()))
    assert stop_network(host, "default")
    assert seen == [("network 'default': these VMs lose their link until they are started anew: test", 1)]


def test_a_network_that_only_vms_which_are_off_would_use_is_stopped_in_silence(host, driver):
    driver.lookupByName("test").destroy()
    assert stop_network(host, "default") and start_network(host, "default")
    assert host.notes == []
