"""Every workload that comes with tare, run once with its real tool in every kind of sandbox."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from benchmarks import workloads
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Instance

pytestmark = pytest.mark.slow

CPU = max(os.sched_getaffinity(0))
RESOURCES = Resources(cpus=1, cpuset=(CPU,), memory_bytes=512 << 20)


@pytest.fixture(scope="module")
def idle_processes() -> dict[Instance, float | None]:
    """How many processes an instance had before any workload ran in it."""
    return {}


@pytest.fixture(scope="module", params=["native", "container", "vm"])
def instance(
    request: pytest.FixtureRequest,
    image: Image,
    idle_processes: dict[Instance, float | None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Instance]:
    folder: Path = tmp_path_factory.mktemp("workloads")
    setting = Setting(
        resources=RESOURCES,
        image_root=image.root,
        image=image,
        state=folder / "state",
        logs=folder / "logs",
        seed=1,
    )
    setting.state.mkdir()
    setting.logs.mkdir()
    with open_sandbox(request.param, setting) as sandbox, sandbox.start() as started:
        idle_processes[started] = started.memory()["processes"]
        yield started


LONG = ("disk-depth-128", "hpcc", "latency-tcp", "latency-udp", "mariadb")
"""Tried where they are quick: half a minute each in an emulated guest."""
QUICK = [
    name
    for name in workloads.names()
    if name not in LONG
    and workloads.load(name).neighbour is None
    and workloads.load(name).server is None
]


@pytest.mark.parametrize("name", QUICK)
def test_a_workload_gives_all_its_metrics(instance: Instance, name: str) -> None:
    gives_all_its_metrics(instance, name)


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("instance", ["container"], indirect=True)
def test_a_long_workload_gives_all_its_metrics(instance: Instance, name: str) -> None:
    gives_all_its_metrics(instance, name)


def gives_all_its_metrics(instance: Instance, name: str) -> None:
    workload = workloads.load(name)
    before = instance.cpu_seconds()
    completed = instance.run(workload.args(RESOURCES), timeout_s=workload.timeout_s)
    results = workload.read(completed, instance.cpu_seconds() - before)
    assert set(results) == {info.metric for info in workload.metrics()}
    assert all(isinstance(value, str) or value > 0 for value in results.values())


def test_nothing_of_the_workloads_is_left_running_or_lying_about(
    instance: Instance,
    idle_processes: dict[Instance, float | None],
) -> None:
    left = instance.run(["/bin/ls", "-A", "/tmp"], timeout_s=10)
    assert left.stdout.split() == []
    assert instance.memory()["processes"] == idle_processes[instance]


@pytest.mark.parametrize("name", workloads.names())
def test_the_image_has_every_program_a_workload_needs(image: Image, name: str) -> None:
    workload = workloads.load(name)
    served = [] if workload.server is None else [workload.server.command[0]]
    for program in (workload.command[0], *workload.needs, *served):
        path = image.root / program.lstrip("/")
        assert path.is_symlink() or path.is_file(), program
