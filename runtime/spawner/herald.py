"""Starts the wait of cgroup v1 early.

The first move into a v1 group makes every processor's fork path notice the writer, which takes an
RCU grace period (6 to 29 ms); moves that follow within it are cheap. What is moved does not matter:
so a helper moves itself, into the group it is in already, the moment a start begins. The grace
period then runs while the container is cloned and mounts, instead of after its clone.
"""

from __future__ import annotations

import os


class Herald:
    """The helper process; it does nothing between calls, and ends when its pipe closes.

    Args:
        program: path of the executor, which has this as its second trade.
        group: directory of a v1 group that holds no other process.
    """

    def __init__(self, program: str, group: str) -> None:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_inheritable(ours, True)  # noqa: FBT003  # positional only
        argv = ["executor", "herald", str(ours), f"{group}/cgroup.procs"]
        self.pid = os.posix_spawn(program, argv, {})
        os.close(ours)
        self._pipe = theirs

    def call(self) -> None:
        """Start a grace period; returns at once."""
        os.write(self._pipe, b"!")

    def close(self) -> None:
        """End the helper."""
        os.close(self._pipe)
