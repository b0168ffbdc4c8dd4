"""What is special about the other hosts, one test or two each."""

import pytest

from tests.hosts.framework import campaigns
from tests.hosts.framework.machine import Machine

pytestmark = pytest.mark.usefixtures("unchanged")

_DOMAIN = """<domain type='kvm'>
  <name>somebodys</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
</domain>
"""


@pytest.mark.host("no-svm")
def test_containers_are_measured_where_there_is_no_kvm(host: Machine) -> None:
    campaign = campaigns.write(host, "no-kvm", ("native", "container"), ("startup", "controls"))
    run = campaigns.measure(host, campaign, "no-kvm")
    assert campaigns.had(run) == {"native": "measured", "container": "measured"}


@pytest.mark.host("numa")
def test_the_cpus_taken_are_of_one_node(host: Machine) -> None:
    campaign = campaigns.write(host, "numa", ("container", "vm"), ("startup",), settings="cpus = 2")
    run = campaigns.measure(host, campaign, "numa")
    assert campaigns.had(run) == {"container": "measured", "vm": "measured"}
    assert set(run.info.resources.cpuset) in ({0, 1}, {2, 3})


@pytest.mark.host("isolcpus")
def test_a_cpu_set_apart_is_not_taken_unasked(host: Machine) -> None:
    campaign = campaigns.write(host, "unasked", ("container",), ("startup",), settings="cpus = 3")
    run = campaigns.measure(host, campaign, "unasked")
    assert set(run.info.resources.cpuset) == {0, 2, 3}


@pytest.mark.host("isolcpus")
def test_a_cpu_set_apart_is_taken_when_it_is_named(host: Machine) -> None:
    campaign = campaigns.write(
        host, "named", ("native", "container", "vm"), ("startup",), settings="cpuset = [1]"
    )
    run = campaigns.measure(host, campaign, "named")
    assert set(campaigns.had(run).values()) == {"measured"}
    assert run.info.resources.cpuset == (1,)


@pytest.mark.host("lockdown")
def test_all_is_measured_where_the_kernel_is_locked_down(host: Machine) -> None:
    assert "[integrity]" in host.run("cat /sys/kernel/security/lockdown").stdout
    campaign = campaigns.write(host, "locked", ("container", "vm"), ("startup", "leaks", "surface"))
    run = campaigns.measure(host, campaign, "locked")
    assert campaigns.had(run) == {"container": "measured", "vm": "measured"}


@pytest.mark.host("libvirtd")
def test_a_domain_of_somebody_else_goes_on_running(host: Machine) -> None:
    host.put("cat >/root/domain.xml", _DOMAIN.encode())
    host.run("virsh create /root/domain.xml")
    try:
        before = host.run("virsh list --all; virsh net-list --all; virsh domid somebodys").stdout
        campaign = campaigns.write(host, "beside", ("container", "vm"), ("startup",))
        run = campaigns.measure(host, campaign, "beside")
        assert campaigns.had(run) == {"container": "measured", "vm": "measured"}
        host.run(f"{campaigns.TARE} clean")
        after = host.run("virsh list --all; virsh net-list --all; virsh domid somebodys").stdout
        assert after == before
    finally:
        host.run("virsh destroy somebodys")


@pytest.mark.host("libvirtd")
def test_the_daemon_can_start_our_guest(host: Machine) -> None:
    campaign = campaigns.write(
        host, "daemon", ("vm",), ("startup",), settings='libvirt_uri = "qemu:///system"'
    )
    assert campaigns.had(campaigns.measure(host, campaign, "daemon")) == {"vm": "measured"}


@pytest.mark.host("linux-6.1")
def test_an_older_kernel_runs_all_three(host: Machine) -> None:
    assert host.run("uname -r").stdout.startswith("6.1.")
    campaign = campaigns.write(
        host, "older", ("native", "container", "vm"), ("startup", "memory", "leaks", "controls")
    )
    run = campaigns.measure(host, campaign, "older")
    assert set(campaigns.had(run).values()) == {"measured"}
