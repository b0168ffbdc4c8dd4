"""Real channels between two containers: one that carries, and ones that are shut."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from benchmarks import channels
from benchmarks.sandboxes.container import ContainerInstance
from runtime import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

FEW = ("locks", "page-cache", "inodes")


def attempts(
    stack: ExitStack, engine: runtime.Engine, one: runtime.Spec, two: runtime.Spec
) -> dict[str, channels.Attempt]:
    ends = []
    for spec in (one, two):
        container = stack.enter_context(engine.run(spec))
        stack.callback(container.kill)
        ends.append(channels.end("container", ContainerInstance(container, {})))
    few = [channel for channel in channels.CHANNELS if channel.name in FEW]
    return {one.channel: one for one in channels.attempts(*ends, 7, few)}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


@pytest.fixture
def engine(stack: ExitStack) -> runtime.Engine:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return stack.enter_context(runtime.Engine(state=Path(folder)))


def test_containers_of_one_host_talk_behind_its_back(
    stack: ExitStack, engine: runtime.Engine, image: Image
) -> None:
    default = profiles.default(rootfs=image.root, args=["/bin/busybox", "sleep", "1000"])
    found = attempts(stack, engine, default, default)
    assert {one.error for one in found.values()} == {None}
    carrying = {
        name for name, one in found.items() if (seen := channels.capacity(one)) and seen.carries
    }
    assert "locks" in carrying
    assert found["locks"].bits > 1000


def test_a_mask_over_its_source_shuts_a_channel(
    stack: ExitStack, engine: runtime.Engine, image: Image
) -> None:
    default = profiles.default(rootfs=image.root, args=["/bin/busybox", "sleep", "1000"])
    masked = (*default.linux.masked_paths, "/proc/locks")
    shut = replace(default, linux=replace(default.linux, masked_paths=masked))
    found = attempts(stack, engine, default, shut)
    seen = channels.capacity(found["locks"])
    assert seen is not None
    assert not seen.carries
    assert found["locks"].closed == "container: masked /proc/locks"
