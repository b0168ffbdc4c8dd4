"""Other users of containers on the host: our runtime under podman, and a real Docker daemon."""

from collections.abc import Iterator

import pytest

from tests.hosts.framework import campaigns
from tests.hosts.framework.machine import SOURCE, Machine

_OCI = f"{SOURCE}/.venv/bin/tare-oci"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_podman_runs_our_runtime(host: Machine, podman: str, manager: str) -> None:
    engine = f"podman --runtime {_OCI} --cgroup-manager={manager}"
    limits = "--memory 64m --pids-limit 50 --network none"
    done = host.run(f"{engine} run --rm {limits} {podman} /bin/busybox echo hello")
    assert done.stdout == "hello\n"


@pytest.mark.usefixtures("unchanged")
def test_podmans_limit_holds_in_a_scope_of_systemd(host: Machine, podman: str) -> None:
    engine = f"podman --runtime {_OCI} --cgroup-manager=systemd"
    host.run(
        f"{engine} run --detach --name limited --memory 64m --network none {podman} "
        "/bin/busybox sleep 1000"
    )
    try:
        where = host.run("cat /proc/$(podman inspect --format '{{.State.Pid}}' limited)/cgroup")
        group = where.stdout.strip().removeprefix("0::")
        assert ".scope" in group
        limit = host.run(
            f"cat /sys/fs/cgroup{group}/memory.max /sys/fs/cgroup{group}/../memory.max || true"
        )
        assert str(64 * 2**20) in limit.stdout.split()
    finally:
        host.run(f"{engine} rm --force --time 0 limited")


@pytest.fixture(scope="module")
def docker(host: Machine) -> Iterator[None]:
    """A daemon that runs for this module; what it sets up on the host is its own."""
    host.run("systemctl start docker.service && docker version")
    yield
    host.run("systemctl stop docker.service docker.socket containerd.service")


@pytest.mark.usefixtures("docker", "unchanged")
def test_docker_is_measured_beside_our_own(host: Machine) -> None:
    campaign = campaigns.write(host, "docker", ("container", "docker"), ("startup", "memory"))
    had = campaigns.had(campaigns.measure(host, campaign, "docker"))
    assert had == {"container": "measured", "docker": "measured"}


@pytest.mark.usefixtures("docker", "unchanged")
def test_a_network_of_ours_stands_beside_dockers_rules(host: Machine) -> None:
    """Docker has the host drop what it forwards; two instances of ours still meet."""
    campaign = campaigns.write(host, "bridge", ("container",), ("network-tcp-to-peer",))
    had = campaigns.had(campaigns.measure(host, campaign, "bridge"))
    assert had == {"container": "measured"}
