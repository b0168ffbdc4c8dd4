"""Real channels between two containers: one that carries, and ones that are shut."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from benchmarks.errors import MeasurementError
from benchmarks.experiments import covert_channels
from benchmarks.sandboxes.kinds.container import ContainerInstance
from runtime.spec import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

FEW = ("locks", "page-cache", "inodes")


def attempts(
    stack: ExitStack,
    engine: runtime.Engine,
    one: runtime.Spec,
    two: runtime.Spec,
    names: tuple[str, ...] = FEW,
) -> dict[str, covert_channels.Attempt]:
    ends = []
    for spec in (one, two):
        container = stack.enter_context(engine.run(spec))
        stack.callback(container.kill)
        ends.append(covert_channels.end("container", ContainerInstance(container, {})))
    few = [channel for channel in covert_channels.CHANNELS if channel.name in names]
    return {one.channel: one for one in covert_channels.attempts(*ends, 7, few)}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def engine(stack: ExitStack) -> runtime.Engine:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return stack.enter_context(runtime.Engine(state=Path(folder)))


@pytest.fixture
def default(image: Image) -> runtime.Spec:
    return profiles.default(rootfs=image.root, args=["/bin/busybox", "sleep", "1000"])


def test_a_mask_removed_opens_the_channel_of_its_source(
    stack: ExitStack, engine: runtime.Engine, default: runtime.Spec
) -> None:
    fewer = tuple(path for path in default.linux.masked_paths if path != "/proc/locks")
    planted = replace(default, linux=replace(default.linux, masked_paths=fewer))
    found = attempts(stack, engine, planted, planted)
    assert {one.error for one in found.values()} == {None}
    carrying = {
        name
        for name, one in found.items()
        if (seen := covert_channels.capacity(one)) and seen.carries
    }
    assert "locks" in carrying
    assert found["locks"].bits > 1000
    assert found["inodes"].closed == "container: masked /proc/sys/fs/inode-nr"


def test_the_default_container_shuts_the_fastest_channels(
    stack: ExitStack, engine: runtime.Engine, default: runtime.Spec
) -> None:
    found = attempts(stack, engine, default, default, ("locks", "pressure", "dentries", "inodes"))
    closed = {
        "locks": "masked /proc/locks",
        "pressure": "ENOENT /proc/pressure/cpu",
        "dentries": "masked /proc/sys/fs/dentry-state",
        "inodes": "masked /proc/sys/fs/inode-nr",
    }
    assert {name: one.closed for name, one in found.items()} == {
        name: f"container: {why}" for name, why in closed.items()
    }
    assert not any(
        seen.carries for one in found.values() if (seen := covert_channels.capacity(one))
    )


def test_an_end_without_an_interpreter_is_an_error_and_no_closed_channel(
    stack: ExitStack, engine: runtime.Engine, default: runtime.Spec
) -> None:
    hidden = (*default.linux.masked_paths, "/usr/bin/python3")
    planted = replace(default, linux=replace(default.linux, masked_paths=hidden))
    container = stack.enter_context(engine.run(planted))
    stack.callback(container.kill)
    with pytest.raises(MeasurementError, match="python3"):
        covert_channels.end("container", ContainerInstance(container, {}))
