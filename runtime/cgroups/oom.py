"""Counts and notices of the OOM killer at work in a group.

v2: the counts in memory.events, whose change wakes a poll (cgroup-v2.rst). v1: an eventfd that is
registered with memory.oom_control, and the count in that file (memory.rst, 10; Linux 4.13).
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import TYPE_CHECKING, Self

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Mapping

_FILE_BYTES = 4096
_LOOK_S = 0.005
_SETTLE_S = 1.0


def oom_kills(paths: Mapping[str, str | os.PathLike[str]]) -> int | None:
    """Processes of a group that the OOM killer has killed; None where nobody counts them.

    A container that ended by SIGKILL with a count above zero ran out of memory.

    Args:
        paths: of the group, by controller.
    """
    file = _counts(paths)
    if file is None:
        return None
    try:
        return _count(files.read(file))
    except OSError:  # the group is gone
        return None


class OomWatch:
    """Wakes up when the OOM killer is at work in a group; a context manager.

    Its `fileno` becomes readable then, for select, poll and their kin, and also when the group is
    removed; `kills` makes it unreadable again.

    Args:
        paths: of the group, by controller.

    Attributes:
        gone: whether the group is seen to be removed.

    Raises:
        CgroupOSError: ENODEV, the group has no memory controller.
    """

    def __init__(self, paths: Mapping[str, str | os.PathLike[str]]) -> None:
        file = _counts(paths)
        if file is None:
            raise files.refusal("without the memory controller nobody sees the OOM killer")
        self.gone = False
        self._event = -1
        self._poll = select.epoll(flags=select.EPOLL_CLOEXEC)
        try:
            self._file = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            self._poll.close()
            raise files.CgroupOSError(error.errno, f"open {file}: {error.strerror}") from error
        try:
            if "unified" in paths:
                self._poll.register(self._file, select.EPOLLPRI)
            else:
                self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
                control = f"{os.path.dirname(file)}/cgroup.event_control"
                files.write(control, f"{self._event} {self._file}")
                self._poll.register(self._event, select.EPOLLIN)
            self._seen = self.kills()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._poll.fileno()

    def kills(self) -> int:
        """Processes killed so far; the last known number where the group is gone."""
        if self._event >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._event)
        try:
            self._seen = _count(os.pread(self._file, _FILE_BYTES, 0).decode())
        except OSError:  # ENODEV
            self.gone = True
        return self._seen

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for further kills; how many, 0 on timeout or where the group is gone.

        v1 wakes us before the kill is counted, so after a wake the count is looked at again for a
        second.
        """
        before = self._seen
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            woken = self._poll.poll(left)
            settled = time.monotonic() + (_SETTLE_S if woken else 0)
            while (kills := self.kills()) == before and not self.gone:
                if time.monotonic() >= settled:
                    break
                time.sleep(_LOOK_S)
            if (
                kills != before
                or self.gone
                or (deadline is not None and time.monotonic() >= deadline)
            ):
                return kills - before

    def close(self) -> None:
        """Stop watching; idempotent."""
        self._poll.close()
        for descriptor in (self._file, self._event):
            if descriptor >= 0:
                os.close(descriptor)
        self._file = self._event = -1


def _counts(paths: Mapping[str, str | os.PathLike[str]]) -> str | None:
    if "unified" in paths:
        file = f"{os.fspath(paths['unified'])}/memory.events"
        return file if os.path.exists(file) else None
    if "memory" in paths:
        return f"{os.fspath(paths['memory'])}/memory.oom_control"
    return None


def _count(text: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0
