"""An engine, and ways to see whether anything was left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import Container, Engine, Resources, Spec, leftovers
from runtime.spec import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def engine(state: Path) -> Iterator[Engine]:
    mounts = Path("/proc/self/mountinfo").read_text()
    with Engine(state) as engine:
        yield engine
    assert leftovers(state) == []
    assert traces(engine.name) == []
    assert Path("/proc/self/mountinfo").read_text() == mounts


@pytest.fixture
def spec(image: Image) -> Spec:
    return profiles.default(
        rootfs=image.root,
        args=["sleep", "1000"],
        resources=Resources(memory_limit_bytes=256 << 20, cpus=1.0, pids_limit=64),
    )


APPLETS = ("sh", "cat", "echo", "grep", "id", "ls", "mkdir", "pwd", "readlink", "sleep", "tty")


@pytest.fixture
def tiny(tmp_path: Path, image: Image) -> Path:
    """A small image that a test may spoil."""
    folder = tmp_path / "tiny"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(image.busybox, folder / "bin/busybox")
    for name in APPLETS:
        (folder / "bin" / name).hardlink_to(folder / "bin/busybox")
    return folder


def output(engine: Engine, spec: Spec, timeout_s: float = 20) -> tuple[int | None, str]:
    """Run to the end; exit status and what was printed."""
    ours, theirs = os.pipe()
    try:
        container = engine.run(spec, stdio=(theirs, theirs, theirs))
    finally:
        os.close(theirs)
    with container, os.fdopen(ours, encoding="utf-8", errors="replace") as pipe:
        text = pipe.read()
        return container.wait(timeout_s), text


def executed(container: Container, *args: str) -> tuple[int | None, str]:
    """Execute a command inside; exit status and what was printed."""
    ours, theirs = os.pipe()
    try:
        process = container.exec(args, stdio=(theirs, theirs, theirs))
    finally:
        os.close(theirs)
    with process, os.fdopen(ours, encoding="utf-8", errors="replace") as pipe:
        text = pipe.read()
        return process.wait(20), text


def traces(name: str) -> list[str]:
    """Processes that live in mounts of the engine, and control groups of its name."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if name in (entry / "mountinfo").read_text():
                    found.append(f"process {entry.name}: {(entry / 'cmdline').read_text()}")
            except OSError:
                continue
    root = Path("/sys/fs/cgroup")
    return found + [str(path) for path in root.rglob(name)]
