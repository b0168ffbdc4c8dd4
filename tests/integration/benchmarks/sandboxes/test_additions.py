"""What is added to the default container holds, and the workloads still run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

SUM = ("/usr/bin/sha256sum", "/etc/passwd")
LINK = ("/bin/busybox", "ln", "-s", "there", "/tmp/link")


@pytest.fixture
def setting(image: Image) -> Iterator[Setting]:
    state = Path(f"/run/tare-additions-{os.getpid()}")
    yield Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=256 << 20),
        image_root=image.root,
        image=image,
        state=state,
        logs=state,
        seed=1,
        commands=(SUM,),
    )
    shutil.rmtree(state, ignore_errors=True)


def ran(name: str, setting: Setting, *commands: tuple[str, ...]) -> list[int]:
    with open_sandbox(name, setting) as box, box.start() as instance:
        return [instance.run(command, timeout_s=20).exit_code for command in commands]


def test_landlock_lets_everything_be_read_and_system_folders_not_be_written(
    setting: Setting,
) -> None:
    script = ("/bin/busybox", "sh", "-c", "echo x > /usr/x")
    assert ran("container", setting, SUM, LINK, script) == [0, 0, 0]
    read, linked, written = ran("container:landlock", setting, SUM, LINK, script)
    assert (read, linked) == (0, 0)
    assert written != 0


def test_a_learned_filter_allows_what_the_campaign_calls_and_no_more(setting: Setting) -> None:
    summed, linked = ran("container:learned", setting, SUM, LINK)
    assert summed == 0
    assert linked != 0
