"""The escape-prevention controls: what a sandbox must not be able to do, tried from inside.

Every attempt runs in a child process and is made so that even success does no harm: the
arguments are such that the kernel's permission check comes first and something else fails right
after it, or the effect ends with the process. The order of checks relied on is stated for each
(Linux 6.12 and 6.18), with the errors that come after the check: these alone mean that it was
passed, *open*. An error that is neither a refusal nor one of them says nothing: *unknown*.
"""

from __future__ import annotations

import errno
import os
import platform
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.experiments.probes.numbers import call_number

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLONE_NEWUTS, _CLONE_NEWUSER, _SIGCHLD = 0x04000000, 0x10000000, 17
_OPEN_TREE_CLONE = 1
_X32 = 0x40000000
_GETPID_32 = "b814000000cd80c3"
"""mov eax, 20 (getpid of the 32-bit table); int 0x80; ret"""
_NO_FILESYSTEM = "tare-no-such-filesystem"
_NO_HANDLE = "\x08\0\0\0" + "\xff\0\0\0" + "\0" * 8
"""file_handle of eight bytes, of the type that no file system gives (FILEID_INVALID)."""
_PERF_DUMMY = "\x01\0\0\0" + "\x40\0\0\0" + "\x09" + "\0" * 55
"""perf_event_attr, first version: a software event that counts nothing."""
_BPF_ARRAY = "\x02\0\0\0" + "\x04\0\0\0" * 2 + "\x01\0\0\0" + "\0" * 32
"""bpf_attr of an array of one element."""


class Outcome(StrEnum):
    """What became of an attempt."""

    HELD = "held"
    OPEN = "open"
    NOT_APPLICABLE = "not-applicable"


REFUSED = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS})
NO_FILE = REFUSED | {errno.EROFS, errno.ENOENT, errno.ENXIO}
"""Refused, read-only, no such file, or a mask over it (the agent says ENXIO for /dev/null)."""


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt.

    Attributes:
        id: Identifier, used as a metric's name.
        how: The agent's way of trying.
        arguments: What it is given.
        why: The order of checks relied on, and why success does no harm.
        held: Error numbers that mean refused.
        passed: Error numbers that the kernel gives only after the permission was granted.
        nothing: Error numbers that mean there was nothing to be had.
        signals: Signals that mean refused: a filter that kills.
    """

    id: str
    how: str
    arguments: tuple[Any, ...]
    why: str
    held: frozenset[int] = REFUSED
    passed: frozenset[int] = frozenset()
    nothing: frozenset[int] = frozenset()
    signals: frozenset[int] = frozenset({signal.SIGSYS})


class ControlFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What one control's attempt came to; a broken attempt has an error and no outcome."""

    control: str
    outcome: Outcome | None
    evidence: str
    error: str | None = None


def _call(name: str, *arguments: Any, why: str, passed: str = "", **more: Any) -> Control | None:
    """Make a control of a system call; ``passed`` names errors that come after the check."""
    number = call_number(name, platform.machine())
    if number is None:
        return None
    return Control(
        id=more.pop("id", name),
        how=more.pop("how", "call"),
        arguments=(number, list(arguments)),
        why=why,
        passed=frozenset(getattr(errno, word) for word in passed.split()),
        **more,
    )


def _write(identifier: str, *paths: str) -> Control:
    return Control(
        id=identifier,
        how="open",
        arguments=(list(paths), os.O_WRONLY),
        held=NO_FILE,
        why="Opens for writing and closes; never writes.",
    )


_MAY_MOUNT = "CAP_SYS_ADMIN over the mount namespace comes first; then"
_FILTER = "No permission is checked before the arguments, so only a filter refuses;"
_AT_FDCWD = -100


def _first_block_device() -> list[str]:
    """Return the numbers of the host's first block device; empty where it has none."""
    try:
        lines = Path("/proc/partitions").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return []
    return lines[0].split()[:2] if lines else []


def controls(markers: Mapping[str, str] | None = None) -> tuple[Control, ...]:
    """Return the controls this machine's architecture has.

    Args:
        markers: What the host planted; the keyring is searched for its key.
    """
    key = (markers or {}).get("key", "tare-no-such-key")
    made = (
        _call(
            "mount",
            "none",
            "/",
            _NO_FILESYSTEM,
            0,
            0,
            passed="ENODEV",
            why=f"{_MAY_MOUNT} ENODEV: no such type.",
        ),
        _call(
            "umount2",
            "/proc/self/status",
            0,
            passed="EINVAL",
            why=f"{_MAY_MOUNT} EINVAL: not a mount point.",
        ),
        _call("pivot_root", 0, 0, passed="EFAULT", why=f"{_MAY_MOUNT} EFAULT."),
        _call(
            "fsopen", _NO_FILESYSTEM, 0, passed="ENODEV", why=f"{_MAY_MOUNT} ENODEV: no such type."
        ),
        _call("move_mount", -1, 0, -1, 0, 0, passed="EFAULT EBADF", why=f"{_MAY_MOUNT} EFAULT."),
        _call(
            "open_tree", -1, "none", _OPEN_TREE_CLONE, passed="EBADF", why=f"{_MAY_MOUNT} EBADF."
        ),
        _call(
            "setns",
            ("/proc/self/ns/uts",),
            _CLONE_NEWUTS,
            how="alone",
            why="Needs CAP_SYS_ADMIN even for the own namespace; entering it changes nothing.",
        ),
        _call("unshare", _CLONE_NEWUTS, how="alone", why="Only the child gets a new namespace."),
        _call(
            "unshare", _CLONE_NEWUSER, how="alone", id="unshare-user", why="Only the child gets it."
        ),
        _call(
            "clone",
            _CLONE_NEWUTS | _SIGCHLD,
            0,
            0,
            0,
            0,
            how="fork",
            why="The process made ends at once.",
        ),
        _call(
            "clone",
            _CLONE_NEWUSER | _SIGCHLD,
            0,
            0,
            0,
            0,
            how="fork",
            id="clone-user",
            why="The process made ends at once.",
        ),
        _call(
            "clone3",
            0,
            0,
            passed="EINVAL",
            why="A filter cannot read its flags, hence ENOSYS; else EINVAL: size 0.",
        ),
        Control(
            id="block-device",
            how="block-device",
            arguments=(_first_block_device(),),
            held=REFUSED | {errno.EROFS, errno.ENOENT},
            nothing=frozenset({errno.ENXIO, errno.ENODEV}),
            why="Makes a node for the kernel's first disk, opens it for reading, removes it.",
        ),
        _call(
            "bpf",
            0,
            _BPF_ARRAY,
            48,
            why="CAP_BPF is checked late, so the arguments are right;"
            " the map of one element goes with the process.",
        ),
        _call(
            "perf_event_open",
            _PERF_DUMMY,
            -1,
            0,
            -1,
            0,
            why="A system-wide event needs"
            " CAP_PERFMON; this one counts nothing and goes with the process.",
        ),
        _call(
            "userfaultfd",
            0,
            why="CAP_SYS_PTRACE comes first; the descriptor goes with the process.",
        ),
        _call(
            "io_uring_setup",
            0,
            0,
            passed="EFAULT",
            why="sysctl io_uring_disabled comes first; then EFAULT.",
        ),
        _call(
            "keyctl",
            0,
            -3,
            0,
            passed="ENOKEY EKEYREVOKED EKEYEXPIRED",
            why=f"{_FILTER} asks for the session keyring's number.",
        ),
        _call(
            "keyctl",
            10,
            -3,
            "user",
            key,
            0,
            id="keyring-search",
            held=REFUSED | ({errno.ENOKEY} if "key" in (markers or {}) else set()),
            why="Searches the session keyring for the key the host planted.",
        ),
        _call("add_key", 0, 0, 0, 0, 0, passed="EFAULT", why=f"{_FILTER} else EFAULT."),
        _call("request_key", 0, 0, 0, 0, passed="EFAULT", why=f"{_FILTER} else EFAULT."),
        _call(
            "kexec_load",
            0,
            17,
            0,
            0x8000,
            passed="EINVAL",
            why="CAP_SYS_BOOT comes first; then EINVAL: unknown flag and too many segments.",
        ),
        _call(
            "kexec_file_load",
            -1,
            -1,
            0,
            0,
            0x8000,
            passed="EINVAL",
            why="CAP_SYS_BOOT comes first; then EINVAL: unknown flag.",
        ),
        _call(
            "init_module",
            0,
            0,
            "",
            passed="ENOEXEC",
            why="CAP_SYS_MODULE comes first; then ENOEXEC: length 0.",
        ),
        _call(
            "finit_module", -1, "", 0, passed="EBADF", why="CAP_SYS_MODULE comes first; then EBADF."
        ),
        _call(
            "delete_module", 0, 0, passed="EFAULT", why="CAP_SYS_MODULE comes first; then EFAULT."
        ),
        _call(
            "open_by_handle_at",
            ("/",),
            _NO_HANDLE,
            0,
            passed="ESTALE",
            why="Before CAP_DAC_READ_SEARCH come the directory descriptor and, since Linux 6.18,"
            " the handle, so both are good; then ESTALE: no file has such a handle.",
        ),
        _call("pidfd_getfd", -1, 0, 0, passed="EBADF", why=f"{_FILTER} else EBADF."),
        _call("process_madvise", -1, 0, 0, 0, 0, passed="EBADF", why=f"{_FILTER} else EBADF."),
        _call(
            "quotactl",
            0x80000700,
            0,
            0,
            0,
            passed="ENODEV",
            why=f"{_FILTER} else ENODEV: no device named.",
        ),
        _call("swapon", 0, 0, passed="EFAULT", why="CAP_SYS_ADMIN comes first; then EFAULT."),
        _call(
            "reboot",
            0,
            0,
            0,
            0,
            passed="EINVAL",
            why="CAP_SYS_BOOT comes first; then EINVAL: no magic number.",
        ),
        _call(
            "syslog", 10, 0, 0, why="CAP_SYSLOG if dmesg_restrict; asks for the log's size only."
        ),
        _call("iopl", 3, how="alone", why="CAP_SYS_RAWIO; the level goes with the process."),
        _call(
            "socket",
            38,
            5,
            0,
            id="af-alg",
            nothing=frozenset({errno.EAFNOSUPPORT}),
            why=f"{_FILTER} else a socket that is closed.",
        ),
        _call(
            "socket",
            40,
            1,
            0,
            id="af-vsock",
            nothing=frozenset({errno.EAFNOSUPPORT, errno.ENODEV}),
            why=f"{_FILTER} else a socket that is closed.",
        ),
        _write("sysrq-trigger", "/proc/sysrq-trigger"),
        _write("core-pattern", "/proc/sys/kernel/core_pattern"),
        _write("modprobe", "/proc/sys/kernel/modprobe"),
        _write(
            "binfmt-misc", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/binfmt_misc/status"
        ),
        _write("uevent-helper", "/sys/kernel/uevent_helper"),
        _write("suid-dumpable", "/proc/sys/fs/suid_dumpable"),
        Control(
            id="release-agent",
            how="below",
            arguments=("/sys/fs/cgroup", "release_agent", os.O_WRONLY),
            held=NO_FILE,
            why="Opens for writing and closes; never writes.",
        ),
        Control(
            id="cgroup-procs",
            how="below",
            arguments=("/sys/fs/cgroup", "cgroup.procs", os.O_WRONLY),
            held=NO_FILE,
            why="Opens for writing and closes; never writes.",
        ),
        *_x86(),
    )
    return tuple(control for control in made if control is not None)


def _x86() -> tuple[Control, ...]:
    if platform.machine() != "x86_64":
        return ()
    return (
        Control(
            id="entry-32bit",
            how="code",
            arguments=(_GETPID_32,),
            signals=frozenset({signal.SIGSYS, signal.SIGSEGV}),
            why="int 0x80 asks for the own pid by the 32-bit table, which a 64-bit filter misses;"
            " SIGSEGV on a kernel without it.",
        ),
        Control(
            id="entry-x32",
            how="call",
            arguments=(_X32 | 39, []),
            why="Asks for the own pid by the x32 table.",
        ),
    )


def judge_attempt(control: Control, attempt: tuple[str, Any] | None) -> ControlFinding:
    """Say what an attempt came to on the kernel that the sandbox runs on."""
    word: str
    value: Any
    word, value = attempt or ("error", "the agent did not try it")
    if word == "value":
        return _found(control, Outcome.OPEN, f"succeeded with {value}")
    if word == "errno":
        return _judge_errno(control, value)
    if word == "signal" and value in control.signals:
        return _found(control, Outcome.HELD, signal.Signals(value).name)
    why = f"the attempt was ended by signal {value}" if word == "signal" else str(value)
    return _unknown(control, why)


def _judge_errno(control: Control, number: int) -> ControlFinding:
    name = errno.errorcode.get(number, str(number))
    if number in control.nothing:
        return _found(control, Outcome.NOT_APPLICABLE, f"{name}: nothing there")
    if number in control.held:
        return _found(control, Outcome.HELD, name)
    if number in control.passed:
        return _found(control, Outcome.OPEN, f"{name}, which comes after the permission")
    return _unknown(control, f"{name} is neither a refusal nor what comes after the permission")


def _unknown(control: Control, why: str) -> ControlFinding:
    return ControlFinding(control=control.id, outcome=None, evidence="", error=why)


def _found(control: Control, outcome: Outcome, evidence: str) -> ControlFinding:
    return ControlFinding(control=control.id, outcome=outcome, evidence=evidence)
