"""Workloads whose server is in another place, in real sandboxes on a real bridge."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import psutil
import pytest

from benchmarks import workloads
from benchmarks.errors import MeasurementError
from benchmarks.experiments.network_server import serving
from benchmarks.experiments.tools import run_workload
from benchmarks.results.records import Resources
from benchmarks.sandboxes import make_testbed, open_sandbox
from benchmarks.sandboxes.base import Endpoint, Networked, Setting
from runtime import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Testbed
    from benchmarks.workloads import Workload

CPU = max(os.sched_getaffinity(0))
RESOURCES = Resources(cpus=1, cpuset=(CPU,), memory_bytes=512 << 20)
HARNESS = """
import sys
from pathlib import Path
from benchmarks import image
from benchmarks.campaign import config as campaign
from benchmarks.session.measure import measure

class Silent:
    def __getattr__(self, name):
        return lambda *_: None

wanted = campaign.load(
    "network",
    sandboxes=("container",),
    workloads=("network-tcp-to-host",),
    blocks_min=50,
    blocks_max=50,
)
folder = Path(sys.argv[1])
measure(
    wanted,
    folder / "run",
    image=image.build(),
    state=folder / "state",
    tare_version="test",
    observer=Silent(),
)
"""
KINDS = ("native", "container", "vm")


@pytest.fixture(scope="module")
def setting(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Setting:
    folder = tmp_path_factory.mktemp("networked")
    for name in ("state", "logs"):
        (folder / name).mkdir()
    return Setting(
        resources=RESOURCES,
        image_root=image.root,
        image=image,
        state=folder / "state",
        logs=folder / "logs",
        seed=1,
    )


@pytest.fixture(scope="module")
def testbed(setting: Setting) -> Iterator[Testbed]:
    with make_testbed(KINDS, setting) as made:
        yield made


@pytest.fixture(scope="module")
def host(testbed: Testbed) -> Iterator[Endpoint]:
    with testbed.host() as end:
        yield end


@pytest.fixture(scope="module", params=KINDS)
def client(
    request: pytest.FixtureRequest, setting: Setting, testbed: Testbed
) -> Iterator[Endpoint]:
    """One of each kind for the length of the module's tests of it: a guest boots once."""
    with open_sandbox(request.param, setting) as sandbox:
        assert isinstance(sandbox, Networked)
        with sandbox.networked(testbed) as end:
            yield end
        assert sandbox.leftovers() == []


@pytest.fixture
def container(setting: Setting, testbed: Testbed) -> Iterator[Endpoint]:
    with open_sandbox("container", setting) as sandbox:
        assert isinstance(sandbox, Networked)
        with sandbox.networked(testbed) as end:
            yield end


def short(name: str) -> Workload:
    """A stream of a few megabytes in place of one of a second."""
    workload = workloads.load(name)
    command = [part.replace("{seconds}", "4M") for part in workload.command]
    command[command.index("--time")] = "--bytes"
    return msgspec.structs.replace(workload, command=tuple(command))


def measured(client: Endpoint, server: Endpoint, workload: Workload) -> dict[str, float | str]:
    with serving(server, workload, RESOURCES):
        args = workload.args(RESOURCES, server.address)
        return run_workload(client.instance, workload, args)


@pytest.mark.parametrize("name", ["network-tcp-to-host", "network-tcp-from-host"])
def test_a_stream_goes_to_the_host_and_comes_from_it(
    client: Endpoint, host: Endpoint, name: str
) -> None:
    found = measured(client, host, short(name))
    assert set(found) >= {info.metric for info in workloads.load(name).metrics()}
    assert found["throughput_per_s"] > 0


def test_a_message_is_answered_by_the_host(client: Endpoint, host: Endpoint) -> None:
    found = measured(client, host, workloads.load("latency-udp-host"))
    assert 0 < found["latency_p50_s"] <= found["latency_p99_s"] < 1


def test_all_kinds_meet_on_one_bridge(
    client: Endpoint, container: Endpoint, testbed: Testbed
) -> None:
    assert len(testbed.leftovers()) >= 1  # the container's end of its pair
    there = measured(client, container, short("network-tcp-to-peer"))
    back = measured(container, client, short("network-tcp-to-peer"))
    assert there["throughput_per_s"] > 0
    assert back["throughput_per_s"] > 0
    assert testbed.bridge.name not in {name for _, name in socket.if_nameindex()}


def test_a_server_leaves_nothing_in_its_place(host: Endpoint, container: Endpoint) -> None:
    measured(container, host, short("network-tcp-to-host"))
    assert host.instance.run(["/bin/ls", "-A", "/tmp"], timeout_s=10).stdout == b""
    assert host.instance.memory()["processes"] == 1


def test_a_server_that_ends_at_once_is_quoted(host: Endpoint, container: Endpoint) -> None:
    workload = workloads.load("latency-tcp-host")
    assert workload.server is not None
    server = msgspec.structs.replace(workload.server, command=("/usr/bin/sockperf", "sing"))
    broken = msgspec.structs.replace(workload, server=server)
    with pytest.raises(MeasurementError, match=r"sockperf does not listen on tcp port \d+: .+"):
        measured(container, host, broken)
    assert host.instance.memory()["processes"] == 1


def test_nothing_of_a_killed_campaign_s_network_stays(image: Image, tmp_path: Path) -> None:
    del image
    with subprocess.Popen([sys.executable, "-c", HARNESS, tmp_path]) as process:
        try:
            assert eventually(lambda: len(streaming(process.pid)) >= 2, 60)
            family = psutil.Process(process.pid).children(recursive=True)
            namespaces = {namespace(one.pid) for one in family} - {None, namespace(os.getpid())}
            assert len(namespaces) == 2  # the testbed's, with the server in it, and the container's
        finally:
            process.kill()
    assert eventually(lambda: not [one for one in family if alive(one)], 10)
    assert eventually(lambda: namespaces.isdisjoint(map(namespace, psutil.pids())), 10)
    cleaned = [
        line for name in ("native", "container") for line in clean(tmp_path / "state" / name)
    ]
    assert not [line for line in cleaned if line.startswith("process")]


def eventually(condition: object, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.05)
    return False


def streaming(campaign: int) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(campaign).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [one] if one.name() == "iperf3" else []
    return found


def alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def namespace(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:
        return None
