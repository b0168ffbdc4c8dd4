"""A helper process of cgroup v1 that starts the kernel's wait for migrations early.

The first move into a v1 group makes every processor's fork path notice the writer, which takes an
RCU grace period (6 to 29 ms); moves that follow within it are cheap. What is moved does not matter:
so a helper moves itself, into the group it is in already, the moment a start begins. The grace
period then runs while the container is cloned and mounts, instead of after its clone.
"""

from __future__ import annotations

import os


class EarlyMigration:
    """The helper process; it does nothing between calls, and ends when its pipe closes.

    Args:
        program: path of the executor, which has this as its second trade.
        group: directory of a v1 group that holds no other process.
    """

    def __init__(self, program: str, group: str) -> None:
        self._program = program
        self._group = group
        self._pipe, self.pid = self._start()

    def _start(self) -> tuple[int, int]:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_inheritable(ours, True)  # noqa: FBT003  # positional only
        argv = ["executor", "herald", str(ours), f"{self._group}/cgroup.procs"]
        try:
            pid = os.posix_spawn(self._program, argv, {})
        finally:
            os.close(ours)
        return theirs, pid

    def call(self) -> None:
        """Start a grace period; returns at once. One that was killed is replaced."""
        try:
            os.write(self._pipe, b"!")
        except BrokenPipeError:
            fresh = self._start()
            self.close()
            self._pipe, self.pid = fresh
            os.write(self._pipe, b"!")

    def close(self) -> None:
        """End the helper."""
        os.close(self._pipe)
