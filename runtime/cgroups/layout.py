"""The cgroup controllers that this process can use, and its own groups."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Mapping

#: v1 controllers that every container gets a group in, in the order they are attached.
V1_ALWAYS = ("freezer", "memory", "cpu", "cpuacct", "pids")
#: v1 controllers that a container gets a group in when it asks for one of their limits.
V1_ON_DEMAND = ("cpuset", "blkio", "devices", "hugetlb")
V1_CONTROLLERS = V1_ALWAYS + V1_ON_DEMAND
#: v2 controllers that every container's group has; likewise the others.
V2_ALWAYS = ("memory", "cpu", "pids")
V2_ON_DEMAND = ("cpuset", "io", "hugetlb")


class Layout(NamedTuple):
    """Own groups of this process.

    Attributes:
        v1: controller to directory.
        v2: directory in the unified hierarchy, or "" where that has no memory controller (the
            hybrid layout) or is not mounted.
        roots: controller ("unified" for v2) to the mount point of its hierarchy.
    """

    v1: dict[str, str]
    v2: str
    roots: Mapping[str, str] = MappingProxyType({})


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
    found: dict[str, str] = {}
    roots: dict[str, str] = {}
    v2 = ""
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        _, _, _, root, point, *_ = fields.split(" ")
        point = point.encode().decode("unicode_escape")
        kind, _, options = tail.split(" ", 2)
        if kind == "cgroup2" and "" in own and not v2:
            v2 = _own_directory(point, root, own[""])
            roots["unified"] = point
        elif kind == "cgroup":
            for name in options.split(","):
                if name in V1_CONTROLLERS and name in own and name not in found:
                    folder = _own_directory(point, root, own[name])
                    if folder:
                        found[name] = folder
                        roots[name] = point
    if v2 and "memory" in _controllers(v2):
        return Layout(v1={}, v2=v2, roots={"unified": roots["unified"]})
    v1 = {name: found[name] for name in V1_CONTROLLERS if name in found}
    return Layout(v1=v1, v2="", roots={name: roots[name] for name in v1})


def current() -> Layout:
    """The layout of this process."""
    return discover(files.read("/proc/self/mountinfo"), files.read("/proc/self/cgroup"))


def _own_directory(point: str, root: str, path: str) -> str:
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
