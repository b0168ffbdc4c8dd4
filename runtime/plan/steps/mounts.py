"""Steps that make the file systems a container sees.

Targets inside the image are opened with openat2(2) below the new root, links refused, and mounted
upon by descriptor: a link planted in an image cannot lead a mount elsewhere (CVE-2021-30465,
CVE-2019-19921, CVE-2023-27561, CVE-2024-45310).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from runtime.spec import sysctl


class OverlayRoot(NamedTuple):
    """The image below, a writable layer above; device nodes of the image mean nothing (nodev).

    Args:
        size_bytes: most that a layer in memory holds, 0 for half the RAM.
        upper: directory with `upper` and `work` in it; "" for a layer in memory.
    """

    size_bytes: int
    upper: str = ""

    def describe(self) -> str:
        if self.upper:
            return f"mount an overlay of the image and {self.upper} as the root"
        size = f" of {self.size_bytes} bytes" if self.size_bytes else ""
        return f"mount an overlay of the image and a tmpfs{size} as the root"

    def wire(self) -> tuple[int, str]:
        return (self.size_bytes, self.upper)


class BindRoot(NamedTuple):
    """A tree itself as the root, without a writable layer.

    Args:
        path: the tree; "" for the image that the spawner holds.
        nodev: device nodes in it mean nothing.
    """

    path: str = ""
    nodev: bool = True

    def describe(self) -> str:
        return f"bind {self.path or 'the image'} as the root"

    def wire(self) -> tuple[str, int]:
        return (self.path, int(self.nodev))


class MountNew(NamedTuple):
    """A fresh file system on a directory of the root.

    Args:
        attributes: MOUNT_ATTR_* bits.
        copy_up: copy into it first what the directory holds (tmpcopyup).
    """

    target: str
    kind: str
    options: tuple[tuple[str, str], ...]
    attributes: int
    copy_up: bool = False
    source: str = ""

    def describe(self) -> str:
        return f"mount a fresh {self.kind} on {self.target}"

    def wire(self) -> tuple[Any, ...]:
        return (
            self.target, self.kind, self.attributes, int(self.copy_up), self.source, self.options,
        )  # fmt: skip


class BindMount(NamedTuple):
    """A file or directory of the host.

    The executor opens the source on the host's side: a container's root may not search the
    directories above it.

    Args:
        attributes: MOUNT_ATTR_* bits to set on the mount, `cleared` those to clear.
        all_attributes: the same for all mounts below it, too; likewise `all_cleared`.
        propagation: MS_PRIVATE and its kin, with MS_REC for all mounts below, one after the other.
        uid_map: mapping that shifts the owners, as in uid_map; "" for none. Likewise `gid_map`.
    """

    source: str
    target: str
    attributes: int
    recursive: bool
    cleared: int = 0
    all_attributes: int = 0
    all_cleared: int = 0
    propagation: tuple[int, ...] = ()
    uid_map: str = ""
    gid_map: str = ""

    def describe(self) -> str:
        return f"bind {self.source} on {self.target}"

    def wire(self) -> tuple[Any, ...]:
        return (
            self.source, int(self.recursive), self.attributes, self.cleared, self.all_attributes,
            self.all_cleared, self.propagation, self.uid_map, self.gid_map, self.target,
        )  # fmt: skip


class SetPropagation(NamedTuple):
    """How mounts and unmounts travel (mount_namespaces(7)); `target` "" for the whole tree.

    Args:
        flags: MS_PRIVATE, MS_SLAVE, MS_SHARED or MS_UNBINDABLE, with MS_REC for all below.
    """

    target: str
    flags: int

    def describe(self) -> str:
        return f"set the propagation of {self.target or 'every mount'}"

    def wire(self) -> tuple[str, int]:
        return (self.target, self.flags)


class Devices(NamedTuple):
    """Bind the harmless devices into the fresh /dev, and make its customary links.

    /dev is our own tmpfs by now, so nothing in it can be a trap; the host's nodes are checked to
    be the devices they are named after (CVE-2025-31133).
    """

    names: tuple[str, ...]

    def describe(self) -> str:
        return f"provide /dev/{{{','.join(self.names)}}}"

    def wire(self) -> tuple[tuple[str, ...]]:
        return (self.names,)


class MakeDevice(NamedTuple):
    """A device node; bound from the host where this user namespace makes none.

    Args:
        mode: with the type, as in st_mode.
    """

    path: str
    mode: int
    major: int
    minor: int
    uid: int
    gid: int

    def describe(self) -> str:
        return f"provide the device {self.path}"

    def wire(self) -> tuple[Any, ...]:
        return tuple(self)


class OpenConsole(NamedTuple):
    """A terminal of the container's own devpts as standard input, output and error.

    The slave is opened through the master, not by its name (CVE-2025-52565). 0 rows: no size.
    `bind`: show it as /dev/console, too.
    """

    rows: int = 0
    columns: int = 0
    bind: bool = False

    def describe(self) -> str:
        return "open a terminal"

    def wire(self) -> tuple[int, int, int]:
        return (self.rows, self.columns, int(self.bind))


class TakeConsole(NamedTuple):
    """Make the open terminal the session's own, which only its leader may."""

    def describe(self) -> str:
        return "make it the controlling terminal"

    def wire(self) -> tuple[()]:
        return ()


class MakeLink(NamedTuple):
    """A symbolic link in a directory of ours."""

    path: str
    value: str

    def describe(self) -> str:
        return f"link {self.path} to {self.value}"

    def wire(self) -> tuple[str, str]:
        return (self.path, self.value)


class PivotRoot(NamedTuple):
    """Make the root the namespace's own and let go of the host's."""

    def describe(self) -> str:
        return "pivot into the root and detach the host's"

    def wire(self) -> tuple[()]:
        return ()


class ProvideDirectory(NamedTuple):
    """A directory in the root, made with those above it where it is missing."""

    path: str

    def describe(self) -> str:
        return f"provide the directory {self.path}"

    def wire(self) -> tuple[str]:
        return (self.path,)


class LeaveMounts(NamedTuple):
    """Go back to the host's mount namespace, with the root as a tree that is attached nowhere.

    For a container that shares the host's mounts and has some of its own all the same.
    """

    def describe(self) -> str:
        return "return to the host's mount namespace"

    def wire(self) -> tuple[()]:
        return ()


class Chroot(NamedTuple):
    """Change the root alone, as a native run does; no mount belongs to the container.

    Opened on the host's side; "" for the image that the spawner holds.
    """

    path: str

    def describe(self) -> str:
        return f"chroot into {self.path or 'the image'}"

    def wire(self) -> tuple[str]:
        return (self.path,)


class MaskPaths(NamedTuple):
    """Hide files behind /dev/null and directories behind an empty read-only tmpfs."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        return f"mask {', '.join(self.paths)}"

    def wire(self) -> tuple[tuple[str, ...]]:
        return (self.paths,)


class ReadonlyPaths(NamedTuple):
    """Bind paths over themselves, read-only."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        return f"make {', '.join(self.paths)} read-only"

    def wire(self) -> tuple[tuple[str, ...]]:
        return (self.paths,)


class ReadonlyMount(NamedTuple):
    """Make one mount read-only, leaving what is mounted in it as it is."""

    target: str = "/"

    def describe(self) -> str:
        return f"make {'the root' if self.target == '/' else self.target} read-only"

    def wire(self) -> tuple[str]:
        return (self.target,)


class WriteSysctl(NamedTuple):
    """A kernel parameter of one of the container's namespaces."""

    name: str
    value: str

    def describe(self) -> str:
        return f"set the kernel parameter {self.name} to {self.value!r}"

    def wire(self) -> tuple[str, str]:
        return ("sys/" + "/".join(sysctl.parts(self.name) or ()), self.value)
