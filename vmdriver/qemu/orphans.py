"""Be the parent of processes that libvirt detaches, and reap them once they have ended."""

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans(*, adopt: bool) -> bool:
    """Make this process the parent of its descendants' orphans (or no longer); the former state.

    libvirt detaches QEMU by a double fork. It believes QEMU alive until the host's first process
    has reaped it, which takes seconds on some hosts; as its parent we reap it at once and learn
    how it ended. ``PR_SET_CHILD_SUBREAPER``, prctl(2).
    """
    former = ctypes.c_int()
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(former), 0, 0, 0)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, int(adopt), 0, 0, 0)
    return bool(former.value)


@contextlib.contextmanager
def reaping_orphans(name: str) -> Iterator[None]:
    """Reap adopted children whose name begins with ``name`` while the block runs.

    For the short-lived QEMUs that libvirt starts to learn what QEMU can do: it waits for each to
    vanish, and nobody but us could make it. libvirt's direct children, which it waits for itself,
    are in our session; what QEMU's ``-daemonize`` leaves has one of its own.
    """
    done = threading.Event()

    def reap() -> None:
        while not done.wait(0.01):
            reap_orphans(name)

    thread = threading.Thread(target=reap, name="reaper", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def reap_orphans(name: str) -> int:
    """Reap adopted children that have ended and whose name begins with ``name``; how many."""
    dead = _dead_children(name)
    for pid in dead:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
    return len(dead)


def _dead_children(name: str) -> list[int]:
    own = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # pid (comm) state ppid pgrp session …; comm may hold spaces and parentheses
            command, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        state, parent, _group, session = rest.split()[:4]
        adopted = int(parent) == own and int(session) != os.getsid(0)
        if state == "Z" and adopted and command.startswith(name):
            found.append(int(entry.name))
    return found
