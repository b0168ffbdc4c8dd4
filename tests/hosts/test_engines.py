"""Other users of containers on the host: our runtime under podman, and a real Docker daemon."""

import re
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
@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_podmans_default_profile_confines(host: Machine, podman: str, manager: str) -> None:
    """The first process and those of exec; then stop and rm, as podman's users end one."""
    engine = f"podman --runtime {_OCI} --cgroup-manager={manager}"
    options = f"--detach --name confined --network none {podman}"
    host.run(
        f"{engine} run {options} /bin/busybox sh -c 'trap exit TERM; while :; do sleep 1; done'"
    )
    try:
        label = "cat /proc/$(podman inspect --format '{{.State.Pid}}' confined)/attr/current"
        inside = f"{engine} exec confined /bin/busybox cat /proc/self/attr/current"
        for command in (label, inside):
            assert host.run(command).stdout.startswith("containers-default-")
        assert host.run(f"{engine} stop --time 20 confined").stdout == "confined\n"
        assert host.run(f"{engine} rm confined").stdout == "confined\n"
    finally:
        host.run(f"{engine} rm --force --ignore --time 0 confined")
    free = f"run --rm --security-opt apparmor=unconfined --network none {podman}"
    done = host.run(f"{engine} {free} /bin/busybox cat /proc/self/attr/current")
    assert done.stdout.startswith("unconfined")


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


_SCOPE = re.compile(r"/sys/fs/cgroup/system\.slice/tare-[0-9a-f]+\.scope(/|$)")
_WATCH = """
look() {{ find /sys/fs/cgroup -mindepth 1 -type d 2>/dev/null; }}
look | sort >{out}/before
{tare} run {campaign} --no-report --out {out}/{run} & pid=$!
while kill -0 $pid 2>/dev/null; do look; sleep 0.1; done | sort -u >{out}/during
comm -13 {out}/before {out}/during >{out}/new
wait $pid
"""


@pytest.mark.usefixtures("podman", "unchanged")
def test_other_runtimes_make_their_groups_below_a_delegated_scope(host: Machine) -> None:
    kinds = ("oci:crun", "oci:runc", "podman", "floor")
    campaign = campaigns.write(host, "scopes", kinds, ("startup", "memory"))
    text = _WATCH.format(out=campaigns.OUT, tare=campaigns.TARE, campaign=campaign, run="scopes")
    host.run(text, timeout=1500)
    assert campaigns.had(campaigns.load(host, "scopes")) == dict.fromkeys(kinds, "measured")
    new = host.run(f"cat {campaigns.OUT}/new").stdout.split()
    # services of the host's come and go as they like
    assert [one for one in new if not _SCOPE.match(one) and ".service" not in one] == []
    assert any("/libpod-" in one for one in new)
