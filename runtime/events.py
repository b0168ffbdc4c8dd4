"""Events of a running container: kills for want of memory, and its end."""

from __future__ import annotations

import select
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, Protocol

from runtime.cgroups import oom
from runtime.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


class Event(NamedTuple):
    """One thing that happened to a container: "oom" or "exit", and the number that goes with it."""

    kind: str
    value: int


class Watched(Protocol):
    """What is read of a container whose events are followed."""

    id: str
    pidfd: int
    deleted: bool

    @property
    def cgroup_paths(self) -> Mapping[str, Path]:
        """Its control groups."""

    @property
    def running(self) -> bool:
        """Whether its first process has not ended."""

    def oom_kills(self) -> int:
        """How many of its processes were killed for want of memory."""

    def wait(self) -> int | None:
        """How its first process ended."""


def follow(container: Watched, timeout_s: float | None) -> Iterator[Event]:
    """The events of a container; see `Container.events`."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    with ExitStack() as stack:
        poll = select.poll()
        poll.register(container.pidfd, select.POLLIN)
        if {"memory", "unified"} & container.cgroup_paths.keys():
            watch = stack.enter_context(oom.OomWatch(container.cgroup_paths))
            poll.register(watch, select.POLLIN)
        seen = container.oom_kills()
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            woken = poll.poll(None if left is None else left * 1000)
            if container.deleted:
                raise StateError(f"{container.id} was deleted while its events were read")
            kills = container.oom_kills()
            if kills != seen:
                seen = kills
                yield Event("oom", kills)
            if not woken:
                return
            if not container.running:
                yield Event("exit", container.wait() or 0)
                return
