"""Landlock, a further layer of a container: nothing but some paths and ports can be used.

From `spec.linux.landlock` to numbers, without the kernel (`ruleset`), so that whoever sets the
container up only carries them out (`apply` does it in Python). What this kernel's Landlock lacks is
refused by name and never left out: a layer with a hole would be taken for a whole one.

Sources: landlock(7), Documentation/userspace-api/landlock.rst, include/uapi/linux/landlock.h.
Imported where containers are set up, so it imports little.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from runtime import syscalls
from runtime.errors import SpecError, UnsupportedError

if TYPE_CHECKING:
    from runtime.spec import Landlock

# LANDLOCK_ACCESS_FS_*
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
#: All of the first version: these, and the makings and removals between.
_FIRST = (1 << 13) - 1
_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_READING = EXECUTE | READ_FILE | READ_DIR
# LANDLOCK_ACCESS_NET_* and LANDLOCK_SCOPE_*
BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_UNIX_SOCKET, SCOPE_SIGNAL = 1, 2

#: Version of the interface (ABI) to the Linux release that brought it.
_RELEASES = {1: "5.13", 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12"}
_TRUNCATION, _PORTS, _DEVICES, _SCOPES = 3, 4, 5, 6
_LAST_PORT = 65_535

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH, _NET_PORT = 1, 2


class PathRule(NamedTuple):
    """What is allowed below a path.

    Attributes:
        path: absolute, in the container; no link may be on the way.
        access: rights where it is a directory.
        file_access: rights where it is anything else: the kernel refuses the others (EINVAL).
    """

    path: str
    access: int
    file_access: int


class PortRule(NamedTuple):
    """What is allowed with a TCP port."""

    port: int
    access: int


class Ruleset(NamedTuple):
    """All that the set-up needs; the first three are struct landlock_ruleset_attr."""

    handled_access_fs: int
    handled_access_net: int
    scoped: int
    paths: tuple[PathRule, ...]
    ports: tuple[PortRule, ...]


def abi() -> int:
    """Version of this kernel's Landlock; 0 where it has none or it is switched off."""
    version: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    return max(0, version)


def ruleset(landlock: Landlock, version: int) -> Ruleset:
    """The rules in the kernel's numbers.

    Args:
        landlock: of the specification.
        version: what `abi` says of the kernel that is to enforce them.

    Raises:
        SpecError: a path is not absolute, or a port is none.
        UnsupportedError: that kernel cannot enforce something that is asked for.
    """
    _check(landlock)
    _require(landlock, version)
    handled = _FIRST | REFER | TRUNCATE
    if version >= _DEVICES:
        handled |= IOCTL_DEV
    rights = dict.fromkeys(landlock.read, _READING) | dict.fromkeys(landlock.write, handled)
    ports: dict[int, int] = {}
    net = 0
    for allowed, access in (
        (landlock.bind_ports, BIND_TCP),
        (landlock.connect_ports, CONNECT_TCP),
    ):
        if allowed is not None:
            net |= access
            for port in allowed:
                ports[port] = ports.get(port, 0) | access
    return Ruleset(
        handled_access_fs=handled,
        handled_access_net=net,
        scoped=SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL if landlock.scoped else 0,
        paths=tuple(PathRule(path, right, right & _FOR_FILES) for path, right in rights.items()),
        ports=tuple(PortRule(*entry) for entry in ports.items()),
    )


def _check(landlock: Landlock) -> None:
    for field, paths in (("read", landlock.read), ("write", landlock.write)):
        for at, path in enumerate(paths):
            if not path.startswith("/") or "\0" in path:
                raise SpecError(f"linux.landlock.{field}[{at}]", f"{path!r} must be absolute")
    for field, ports in (
        ("bind_ports", landlock.bind_ports),
        ("connect_ports", landlock.connect_ports),
    ):
        for at, port in enumerate(ports or ()):
            if not 0 <= port <= _LAST_PORT:
                raise SpecError(f"linux.landlock.{field}[{at}]", f"{port} is no TCP port")


def _require(landlock: Landlock, version: int) -> None:
    if version < 1:
        raise UnsupportedError(
            f"linux.landlock: this kernel has no Landlock; it comes with Linux {_RELEASES[1]}, "
            "built in (CONFIG_SECURITY_LANDLOCK) and switched on (lsm=landlock,... at boot)"
        )
    needs = {
        "linux.landlock": (_TRUNCATION, "keeps files elsewhere from being truncated", True),
        "linux.landlock.bind_ports": (
            _PORTS, "limits which ports are bound", landlock.bind_ports is not None,
        ),
        "linux.landlock.connect_ports": (
            _PORTS, "limits which ports are connected to", landlock.connect_ports is not None,
        ),
        "linux.landlock.read": (
            _DEVICES, "keeps devices below from being more than read", bool(landlock.read),
        ),
        "linux.landlock.scoped": (
            _SCOPES, "holds signals and abstract sockets back", landlock.scoped,
        ),
    }  # fmt: skip
    for field, (needed, what, wanted) in needs.items():
        if wanted and version < needed:
            raise UnsupportedError(
                f"{field}: only from Linux {_RELEASES[needed]} on Landlock {what}; this kernel has "
                f"that of Linux {_RELEASES[version]}"
            )


def describe(rules: Ruleset) -> str:
    """The rules in one line, for a plan."""
    paths = ", ".join(f"{rule.path} ({rule.access:#x})" for rule in rules.paths)
    ports = ", ".join(f"{rule.port} ({rule.access})" for rule in rules.ports)
    said = [f"paths {paths or 'none'}"]
    if rules.handled_access_net:
        said.append(f"TCP ports {ports or 'none'}")
    if rules.scoped:
        said.append("signals and abstract sockets within")
    return "restrict by Landlock to " + "; ".join(said)


def apply(rules: Ruleset, root_fd: int) -> None:
    """Restrict the calling thread, and all that it makes from here on, for good.

    Comes after the last mount (there is none any more afterwards) and before the filter. The thread
    needs no_new_privs, or CAP_SYS_ADMIN in its user namespace.

    Args:
        rules: what is left to it.
        root_fd: the container's root directory.

    Raises:
        OSError: the kernel refuses; names the path.
    """
    attributes = _RulesetAttributes(rules.handled_access_fs, rules.handled_access_net, rules.scoped)
    # the kernel takes a structure longer than it knows if what it does not know is zero
    fd = _call(_CREATE_RULESET, "landlock_create_ruleset", ctypes.byref(attributes),
               ctypes.c_size_t(ctypes.sizeof(attributes)), 0)  # fmt: skip
    try:
        for path in rules.paths:
            _allow_path(fd, path, root_fd)
        for port in rules.ports:
            net = _NetPort(port.access, port.port)
            _call(_ADD_RULE, "landlock_add_rule", fd, _NET_PORT, ctypes.byref(net), 0)
        _call(_RESTRICT_SELF, "landlock_restrict_self", fd, 0)
    finally:
        os.close(fd)


def _allow_path(ruleset_fd: int, rule: PathRule, root_fd: int) -> None:
    try:
        # an image could lead a link to where it is not meant to be let
        parent = syscalls.open_in_root(root_fd, rule.path, os.O_PATH)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(
                errno.ELOOP, "is behind a symbolic link; name what that leads to", rule.path
            ) from error
        raise OSError(error.errno, os.strerror(error.errno or 0), rule.path) from error
    try:
        is_folder = stat.S_ISDIR(os.fstat(parent).st_mode)
        beneath = _PathBeneath(rule.access if is_folder else rule.file_access, parent)
        _call(_ADD_RULE, "landlock_add_rule", ruleset_fd, _PATH_BENEATH, ctypes.byref(beneath), 0)
    finally:
        os.close(parent)


class _RulesetAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("handled_access_fs", "handled_access_net", "scoped")
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed_access", ctypes.c_uint64), ("port", ctypes.c_uint64))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _call(number: int, name: str, *args: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *args)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result
