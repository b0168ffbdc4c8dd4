"""Views of /proc and /sys that show a container its own limits, where the host runs lxcfs.

Source: lxcfs(1). Its file system tells by the reader's control group what to show; without it
these files show the host's memory, load and uptime in every container.
"""

from __future__ import annotations

from pathlib import Path

from runtime.spec import Mount

HOME = Path("/var/lib/lxcfs")
FILES = (
    *(
        f"proc/{name}"
        for name in (
            "cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime",
        )
    ),
    "sys/devices/system/cpu/online",
)  # fmt: skip
_OPTIONS = ("bind", "ro", "nosuid", "nodev", "noexec")


def mounts(home: Path = HOME, host: Path = Path("/")) -> tuple[Mount, ...]:
    """A bind for every file that lxcfs serves and this kernel has; none where it does not run.

    Args:
        home: where lxcfs is mounted.
        host: root of the file system that has /proc and /sys.
    """
    try:
        if not home.is_mount():  # installed, maybe, but not running
            return ()
        found = [name for name in FILES if (home / name).is_file() and (host / name).exists()]
    except OSError:  # it has died and left its mount behind (ENOTCONN)
        return ()
    return tuple(
        Mount(destination=f"/{name}", type="bind", source=str(home / name), options=_OPTIONS)
        for name in found
    )
