"""The spawner's beginning and end: what it sets up before it serves, and what it removes after."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import socket
import sys
from typing import TYPE_CHECKING, Any

from runtime import cgroups, syscalls
from runtime.cgroups import layout
from runtime.spawner import wire
from runtime.spawner.launcher import Launcher
from runtime.spawner.rootfs import ImageMounts, become_root, enter
from runtime.spawner.server import LEAST_DESCRIPTORS, Spawner, leave

if TYPE_CHECKING:
    from runtime.cgroups import Group
    from runtime.cgroups.home import Home


def main(fd: int) -> None:
    """Set the spawner up as the first message asks, then serve."""
    channel = socket.socket(fileno=fd)
    channel.set_inheritable(False)
    settings, _ = wire.receive(channel)
    try:
        spawner, answer = _start(channel, settings)
    except OSError as error:
        wire.send(channel, {"error": error.strerror or str(error), "errno": error.errno})
        return
    wire.send(channel, answer)
    # Objects made so far never move to the collector's lists again: no start touches their pages.
    gc.collect()
    gc.freeze()
    gc.disable()
    complete = False
    try:
        spawner.loop()
    finally:
        # What is left keeps its mounts and the record, by which `runtime.clean` finds it.
        complete = spawner.close()
        if complete:
            with contextlib.suppress(OSError):
                spawner.leave_mounts()
                # a network is the harness's, and is found by the record (NETWORK there)
                if not os.path.exists(f"{settings['folder']}/network"):
                    os.unlink(f"{settings['folder']}/engine.json")
                    os.rmdir(settings["folder"])
    if not complete:
        sys.exit(1)


#: What keeps us from having groups, and not from having containers: no rights, a file system that
#: is read-only, as in most containers, or a systemd that gives no scope.
_WITHOUT = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENODEV, errno.EBUSY, errno.ETIMEDOUT)


def _home(marker: str, where: layout.Layout) -> tuple[Home | None, str]:
    """The home of the groups on v2, else None; and why there is none, "" on v1."""
    try:
        return cgroups.claim(marker, where, os.getpid()), ""
    except OSError as error:
        if error.errno not in _WITHOUT:
            raise
        return None, error.strerror or str(error)


def _groups(
    marker: str, where: layout.Layout, home: Home | None
) -> tuple[cgroups.Manager | None, str]:
    """Groups for the containers; where they are refused, None and the reason."""
    try:
        return cgroups.manager(marker, where, home), ""
    except OSError as error:
        if error.errno not in _WITHOUT:
            raise
        return None, error.strerror or str(error)


def _start(channel: socket.socket, settings: dict[str, Any]) -> tuple[Spawner, dict[str, Any]]:
    marker = settings["marker"]
    where = layout.current()
    # before this process is another user: systemd, and who owns the groups, know it as it is
    home, reason = _home(marker, where)
    if settings["rootless"]:
        become_root(channel)
    enter()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < LEAST_DESCRIPTORS:
        raise OSError(
            errno.EMFILE,
            f"the limit on open descriptors (RLIMIT_NOFILE, ulimit -n) is {hard}; the spawner "
            f"needs {LEAST_DESCRIPTORS}",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    manager: cgroups.Manager | None = None
    if not reason:
        manager, reason = _groups(marker, where, home)
    own: Group | None = None
    if settings["memory_limit_bytes"] is not None:
        if manager is None:
            why = f": {reason}" if reason else ""
            raise OSError(
                errno.ENODEV, f"no cgroup controller can be used for the memory limit{why}"
            )
        own = manager.create("spawner")
        own.limit({"memory_limit_bytes": settings["memory_limit_bytes"]})
        own.attach(os.getpid())
    if settings["affinity"]:
        os.sched_setaffinity(0, settings["affinity"])
    try:
        mounts = ImageMounts(f"{settings['folder']}/territory", marker)
        launcher = Launcher(mounts, manager, marker, settings["executor"], reason)
    except OSError:
        if manager:
            if own:
                leave(own)
            manager.close()
        raise
    answer = {
        "pid": os.getpid(),
        "cgroups": manager.paths if manager else {},
        "nofile": (soft, hard),
        "has_init": launcher.has_init,
        "scope": home.scope if home else "",
        "no_groups": reason,
    }
    return Spawner(channel, launcher, own), answer
