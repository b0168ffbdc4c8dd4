"""Starts at once, idle cost and smallest memory on the real kernel."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.experiments import burst, idle, min_memory
from benchmarks.experiments.base import Context, Request
from benchmarks.experiments.cold_start import ColdStart
from benchmarks.results.recorder import Recorder
from benchmarks.results.records import Resources, Status
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.kinds.container import ContainerSandbox
    from benchmarks.sandboxes.kinds.oci import OciSandbox

MIB = 1 << 20


@pytest.fixture(scope="module")
def setting(image: Image) -> Iterator[Setting]:
    state = Path(f"/run/tare-instances-{os.getpid()}")
    yield Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=96 * MIB),
        image_root=image.root,
        image=image,
        state=state,
        logs=state,
        seed=1,
    )
    shutil.rmtree(state, ignore_errors=True)


@pytest.fixture(scope="module")
def container(setting: Setting) -> Iterator[ContainerSandbox]:
    with open_sandbox("container", setting) as box:
        yield box  # type: ignore[misc]


WITH_RUNC = pytest.mark.skipif(
    shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin") is None,
    reason="runc is not installed",
)


@pytest.mark.parametrize("name", ["native", pytest.param("oci:runc", marks=WITH_RUNC)])
def test_four_at_once_all_start_and_leave_nothing(name: str, setting: Setting) -> None:
    with open_sandbox(name, setting) as box:
        found = burst.measure(box, 4)
        assert 0 < found.median_s <= found.last_s
        assert box.leftovers() == []


def test_containers_at_once_are_all_there_is(container: ContainerSandbox) -> None:
    assert burst.measure(container, 6).count == 6
    assert container.leftovers() == []


def test_an_idle_container_is_watched_by_its_threads_and_its_group(
    container: ContainerSandbox,
) -> None:
    with container.start() as instance:
        instance.run(["/bin/true"], timeout_s=10)  # the shell has become the sleeper by now
        found = idle.measure(instance, 0.3)
        assert found.threads == 2  # the init and the sleeper
        assert found.charged_s_per_s is not None
        instance.stop()


def test_memory_goes_down_until_the_kernel_kills(container: ContainerSandbox) -> None:
    def works(size: int) -> str | None:
        box = container.resized(size)
        assert box is not None
        try:
            with box.start() as instance:
                done = instance.run(["/bin/true"], timeout_s=20)
                return None if done.exit_code == 0 else f"status {done.exit_code}"
        except MeasurementError as error:
            return str(error)

    found = min_memory.bisect(works, 8 * MIB, 64 << 10)
    assert found.runs_bytes < 8 * MIB
    assert container.leftovers() == []


@WITH_RUNC
def test_other_runtimes_take_another_memory_too(setting: Setting) -> None:
    with open_sandbox("oci:runc", setting) as box:
        oci: OciSandbox = box  # type: ignore[assignment]
        other = oci.resized(64 * MIB)
        assert other is not None
        with other.start() as instance:
            groups = instance.started.groups
            if "memory" in groups:
                limit = (groups["memory"] / "memory.limit_in_bytes").read_text().strip()
            else:
                limit = (groups["unified"] / "memory.max").read_text().strip()
            assert limit == str(64 * MIB)
        assert oci.leftovers() == []


def test_a_cold_start_has_the_boundaries_of_a_warm_one(
    container: ContainerSandbox, tmp_path: Path
) -> None:
    record = Recorder("test", 0, "container", 0)
    context = Context(
        record=record, group=(container,), sandboxes={}, seed=1, block=0, logs=tmp_path,
        resources=container._setting.resources,
    )  # fmt: skip
    # nothing is dropped: others use this host, too
    ColdStart(Request(("cold",), {}, {})).run(context)
    samples = record.samples
    assert [s.metric for s in samples] == ["cold_spawned_s", "cold_ready_s", "cold_main_s"]
    assert {s.status for s in samples} == {Status.OK}
