"""A spawner that dies in a campaign is started again, once, and the journal says so."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import MeasurementError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
from runtime.harness import start_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image


@pytest.fixture
def setting(image: Image) -> Iterator[Setting]:
    state = Path(f"/run/tare-spawner-{os.getpid()}")
    yield Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=256 << 20),
        image_root=image.root, image=image, state=state, logs=state, seed=1,
    )  # fmt: skip
    shutil.rmtree(state, ignore_errors=True)


@pytest.mark.parametrize("name", ["native", "container"])
def test_a_dead_spawner_is_started_again_once(name: str, setting: Setting) -> None:
    with open_sandbox(name, setting) as box:
        for said in ("was started again: this start was not made", "had ended a second time"):
            with box.start() as instance:
                assert instance.run(("/bin/busybox", "true"), timeout_s=20).exit_code == 0
            end(box._engine.spawner_pid)  # type: ignore[attr-defined]
            with pytest.raises(MeasurementError, match=said):
                box.start()
    assert list((setting.state / name).iterdir()) == []


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    while start_time(pid) is not None:
        pass
