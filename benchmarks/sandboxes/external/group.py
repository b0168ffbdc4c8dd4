"""A control group for a helper, in which the runtimes that it runs make theirs.

runc, crun and podman (as cgroupfs) take a path from the root of the hierarchy, and hand controllers
on in every group down to it: where systemd manages the hierarchy, in groups of systemd's. So on v2
the helper enters a cgroup namespace whose root is a group of its own, which stands where those of
an engine of ours do (`runtime.cgroups.home`), and sees that alone at the hierarchy's mount point
(cgroup_namespaces(7)). On v1 there are no such rules, and the group stands at the root.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from runtime.harness import UnifiedGroup, cgroups, files, layout, syscalls

_CONTAINERS, _HELPER, _VIEW = "containers", "helper", "view"
_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


class HelperGroup:
    """The group on v2, once this process is in it.

    Attributes:
        paths: what `clean` has to know of it.
        containers: the group that runtimes make theirs in, as the host sees it.
    """

    def __init__(self, name: str) -> None:
        """Make it and enter it; what shows at the mount point is the next call's.

        Raises:
            OSError: The kernel or systemd refuses; nothing is left.
        """
        where = layout.current()
        self._root = where.roots["unified"]
        taken = cgroups.claim(name, where, os.getpid())
        manager = cgroups.manager(name, where, taken)
        assert manager is not None
        # where the claim has put this process; it has controllers only now
        self._before = layout.current().v2
        self._manager = manager
        self._first = os.open("/proc/self/ns/cgroup", os.O_RDONLY | os.O_CLOEXEC)
        self._shown = False
        self.paths = manager.paths
        try:
            self._enter()
        except BaseException:
            self.close()
            raise

    def _enter(self) -> None:
        view = self._manager.create(_VIEW)
        # whoever sets a limit that this host does not have says so then
        assert isinstance(view, UnifiedGroup)
        for word in _CONTROLLERS:
            with contextlib.suppress(OSError):
                view.need(word)
        self._view = path = view.paths["unified"]
        view.attach(os.getpid())
        os.unshare(syscalls.CLONE_NEWCGROUP)  # its root is the group that we are in
        files.make(f"{path}/{_HELPER}")
        files.attach(f"{path}/{_HELPER}", os.getpid())
        self.containers = f"{path}/{_CONTAINERS}"
        files.make(self.containers)
        for folder in (path, self.containers):
            given = files.read(f"{folder}/cgroup.controllers").split()
            words = " ".join(f"+{word}" for word in _CONTROLLERS if word in given)
            files.write(f"{folder}/cgroup.subtree_control", words)

    def show(self) -> None:
        """Put it at the hierarchy's mount point; the mount namespace must be this process's own."""
        # bound: the same file system cannot be mounted upon itself
        syscalls.mount(self._view, self._root, "", syscalls.MS_BIND)
        self._shown = True

    def close(self) -> None:
        """Leave it and remove it.

        Raises:
            OSError: Something in it resists.
        """
        if self._shown:
            syscalls.umount(self._root)
        os.setns(self._first, syscalls.CLONE_NEWCGROUP)
        os.close(self._first)
        files.attach(self._before, os.getpid())
        self._manager.close()


def path_for(name: str, *, unified: bool) -> str:
    """Return the path of the runtimes' group, from the root of the hierarchy that they see."""
    return f"/{_CONTAINERS}" if unified else f"/{name}"


def cgroup_mounts() -> list[tuple[str, Path]]:
    """Return the control group hierarchies: file system type and mount point."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, tail = line.partition(" - ")
        kind = tail.partition(" ")[0]
        if kind in {"cgroup", "cgroup2"}:
            found.append((kind, Path(fields.split(" ")[4])))
    return found
