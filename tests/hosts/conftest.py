"""The booted host that all tests of a session share, and what must stay as it was on it."""

import platform
import sys
from collections.abc import Iterator

import pytest

from tests.hosts.framework import campaigns, changes, kept
from tests.hosts.framework.hosts import DEBIAN_13, HOSTS
from tests.hosts.framework.machine import Machine, booted

#: Emulated, and beside other work: nothing here is a speed.
_TEST_S = 1800


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a person choose the host, or go on with one that is up."""
    group = parser.getgroup("hosts")
    group.addoption("--host", choices=sorted(HOSTS), default=DEBIAN_13.name, help="boot this one")
    group.addoption(
        "--again",
        action="store_true",
        help="use the host that `python -m tests.hosts.boot --keep` left up",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the mark that says for which hosts a test is; without it, for Debian 13's."""
    config.addinivalue_line("markers", "host(name, ...): for these hosts, or for every one")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is about other hosts; give the rest time."""
    chosen = config.getoption("--host", DEBIAN_13.name)
    here: list[pytest.Item] = []
    elsewhere: list[pytest.Item] = []
    for item in items:
        mark = item.get_closest_marker("host")
        names = mark.args if mark else (DEBIAN_13.name,)
        (here if chosen in names or "every" in names else elsewhere).append(item)
        item.add_marker(pytest.mark.timeout(_TEST_S))
    items[:] = here
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)


@pytest.fixture(scope="session")
def host(pytestconfig: pytest.Config) -> Iterator[Machine]:
    """A host that is up, with this checkout in it."""
    if platform.machine() != "x86_64":
        pytest.skip("the hosts that can be booted are x86-64's")
    name = pytestconfig.getoption("--host")
    if pytestconfig.getoption("--again"):
        machine = kept.find(name)
        machine.put_checkout()
        machine.run(f"rm -rf {campaigns.OUT}")
        yield machine
        return
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def progress(text: str) -> None:
        with capture.global_and_fixture_disabled():
            sys.stderr.write(f"\nhost: {text}\n")

    with booted(HOSTS[name], progress) as machine:
        yield machine


@pytest.fixture
def unchanged(host: Machine) -> Iterator[None]:
    """Compare the host before a test with the host after it."""
    before = changes.look(host)
    yield
    changes.assert_none(before, changes.look(host))


@pytest.fixture(scope="session")
def podman(host: Machine) -> str:
    """An image of one program, made without a network.

    It is run once under each maker of control groups: what podman leaves on a host after its first
    container (`/libpod_parent`, its locks) is podman's own.
    """
    name = "localhost/busybox"
    folder = "mkdir -p /root/busybox/bin && cp /bin/busybox /root/busybox/bin/"
    host.run(f"{folder} && tar -C /root/busybox -c . | podman import --quiet - {name}")
    for manager in ("cgroupfs", "systemd"):
        once = f"podman --cgroup-manager={manager} run --rm --network none {name}"
        host.run(f"{once} /bin/busybox true")
    return name
