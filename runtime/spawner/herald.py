"""Starts the wait of cgroup v1 early.

The first move into a v1 group makes every processor's fork path notice the writer, which takes an
RCU grace period (6 to 29 ms); moves that follow within it are cheap. What is moved does not matter:
so a helper moves itself, into the group it is in already, the moment a start begins. The grace
period then runs while the container is cloned and mounts, instead of after its clone.
"""

from __future__ import annotations

import os
import signal

from runtime import syscalls


class Herald:
    """The helper process; it does nothing between calls, and ends when its pipe closes.

    Args:
        group: directory of a v1 group that holds no other process.
    """

    def __init__(self, group: str) -> None:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        self.pid, pidfd = syscalls.clone3(0)
        if self.pid == 0:
            try:
                syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
                os.close(theirs)
                _serve(ours, f"{group}/cgroup.procs")
            finally:
                os._exit(0)
        os.close(pidfd)
        os.close(ours)
        self._pipe = theirs

    def call(self) -> None:
        """Start a grace period; returns at once."""
        os.write(self._pipe, b"!")

    def close(self) -> None:
        """End the helper."""
        os.close(self._pipe)


def _serve(pipe: int, path: str) -> None:
    procs = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    myself = str(os.getpid()).encode()
    while os.read(pipe, 64):
        os.write(procs, myself)
