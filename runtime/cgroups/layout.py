"""Which cgroup controllers this process can use, and where its own groups are."""

from __future__ import annotations

import os
from typing import NamedTuple

from runtime.cgroups import files

#: v1 controllers that a container gets a group in, in the order they are attached.
V1_CONTROLLERS = ("freezer", "memory", "cpu", "cpuacct", "pids", "cpuset")
V2_CONTROLLERS = ("memory", "cpu", "pids", "cpuset", "io")


class Layout(NamedTuple):
    """Own groups of this process.

    Attributes:
        v1: controller to directory.
        v2: directory in the unified hierarchy, or "" where that has no memory controller (the
            hybrid layout) or is not mounted.
    """

    v1: dict[str, str]
    v2: str


def discover(mountinfo: str, membership: str) -> Layout:
    """Work the layout out of the text of /proc/self/mountinfo and /proc/self/cgroup.

    A controller whose own group does not show below its mount point is left out: a group made
    elsewhere would be above our own.
    """
    own: dict[str, str] = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    v1: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        _, _, _, root, point, *_ = fields.split(" ")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup2" and "" in own:
            v2 = _own_directory(point, root, own[""])
        elif kind == "cgroup":
            for name in options.split(","):
                if name in V1_CONTROLLERS and name in own and name not in v1:
                    folder = _own_directory(point, root, own[name])
                    if folder:
                        v1[name] = folder
    if v2 and "memory" not in _controllers(v2):
        v2 = ""
    return Layout(v1={} if v2 else v1, v2=v2)


def current() -> Layout:
    """The layout of this process."""
    return discover(files.read("/proc/self/mountinfo"), files.read("/proc/self/cgroup"))


def _own_directory(point: str, root: str, path: str) -> str:
    point = point.encode().decode("unicode_escape")
    if root not in ("/", path) and not path.startswith(root + "/"):
        return ""
    below = path if root == "/" else path[len(root) :]
    folder = (point + below).rstrip("/")
    return folder if os.path.isdir(folder) else ""


def _controllers(folder: str) -> list[str]:
    try:
        return files.read(f"{folder}/cgroup.controllers").split()
    except OSError:
        return []
