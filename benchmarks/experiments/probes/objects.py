"""Probes with a rule of their own: namespaces, other people's objects, and powers.

Where the host can plant a harmless mark (see ``markers``), a leak is the mark in sight; equality
alone would prove little.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from benchmarks.experiments.probes.model import (
    KEPT,
    Case,
    Judgement,
    Kind,
    Probe,
    UnreadableError,
    Verdict,
)
from benchmarks.experiments.probes.rules import (
    MISSING,
    REFUSED,
    marked,
    refusal,
    same,
    same_namespace,
    writable,
)

if TYPE_CHECKING:
    from benchmarks.experiments.probes.model import Decide, Want

_NAMESPACES = ("pid", "uts", "mnt", "ipc", "net", "user", "cgroup", "time")
_STATUS: Want = ("/proc/self/status", "file", "/proc/self/status", 4096)
_UNAME: Want = ("uname", "uname")
_LOCKS: Want = ("/proc/locks", "file", "/proc/locks", 65536)
_MOUNTS: Want = ("/proc/self/mountinfo", "file", "/proc/self/mountinfo")

PODMAN = {
    "chown": 0,
    "dac_override": 1,
    "fowner": 3,
    "fsetid": 4,
    "kill": 5,
    "setgid": 6,
    "setuid": 7,
    "setpcap": 8,
    "net_bind_service": 10,
    "sys_chroot": 18,
    "setfcap": 31,
}
"""Podman's eleven capabilities: what a container may keep without being called powerful."""
ALLOWED = sum(1 << number for number in PODMAN.values())

_STANDARD_DEVICES = frozenset(
    {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "console"}
)
_ANSWERS = {True, *REFUSED, *MISSING, "ENOMEDIUM"}
"""What opening a device may say; any other error says neither yes nor no."""
_OF_USERS = [
    "PATH",
    "HOME",
    "LANG",
    "LANGUAGE",
    "TERM",
    "COLORTERM",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "MAIL",
    "HOSTNAME",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "LS_COLORS",
    "DEBIAN_FRONTEND",
    "container",
]
_OF_SHELLS = ["PWD", "OLDPWD", "SHLVL", "_"]
"""A shell makes these itself (dash(1), bash(1)), in a guest as well."""
_OF_SYSTEMD = [
    "NOTIFY_SOCKET",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "DBUS_SESSION_BUS_ADDRESS",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_DIRS",
    "XDG_DATA_DIRS",
    "XDG_SEAT",
    "XDG_SESSION_CLASS",
    "XDG_SESSION_TYPE",
]
_CONVENTIONAL = frozenset([*_OF_USERS, *_OF_SHELLS, *_OF_SYSTEMD])
"""Variables whose values agree without being inherited."""

_WRITE = os.O_WRONLY
_SYSCTLS = (
    "kernel/modprobe",
    "kernel/panic",
    "kernel/sysrq",
    "kernel/randomize_va_space",
    "vm/overcommit_memory",
    "vm/drop_caches",
    "fs/file-max",
    "fs/suid_dumpable",
)


def _link(namespace: str) -> Want:
    path = f"/proc/self/ns/{namespace}"
    return (path, "link", path)


def _hostname(case: Case) -> Judgement:
    host, sandbox = case.get("before").get("node"), case.get("sandbox").get("node")
    evidence = f"host: {host}; sandbox: {sandbox}"
    if not host or not sandbox:
        raise UnreadableError(f"there is no name on one side ({evidence})")
    if host != sandbox:
        return Judgement(Verdict.NAMESPACED, evidence)
    own = case.own_kernel or not same(case, 1)
    # An equal name in a namespace of its own was copied: known, but it will not follow the host.
    verdict = Verdict.SHARED_CONSTANT if own else Verdict.SHARED_LIVE
    return Judgement(verdict, evidence)


def _mounts(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    # A mount's number and device are unique in a kernel, so an equal pair is the same mount.
    host, sandbox = (
        {tuple(line.split()[0:3:2]) for line in case.get(side)["text"].splitlines()}
        for side in ("before", "sandbox")
    )
    shared = 0 if case.own_kernel else len(host & sandbox)
    verdict = Verdict.SHARED_LIVE if shared else Verdict.NAMESPACED
    return Judgement(verdict, f"sandbox: {len(sandbox)} mounts, {shared} of them the host's")


def _mount_paths(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    text = case.get("sandbox")["text"]
    paths = re.findall(r"(?:lowerdir|upperdir|workdir)\+?=(/[^:,\s]*)", text)
    if paths and not case.own_kernel:
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: mount options name {paths[0]}")
    return Judgement(Verdict.NAMESPACED, "sandbox: no path of the host in the mount options")


def _uid_map(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    host, text = (" ".join(case.get(side)["text"].split()) for side in ("before", "sandbox"))
    # On a host that is a container itself, its own root is what is shared, and it may be mapped.
    shared = (text == host or text.startswith("0 0 ")) and not case.own_kernel
    return Judgement(Verdict.SHARED_LIVE if shared else Verdict.NAMESPACED, f"sandbox: {text}")


def _cgroup(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    lines = case.get("sandbox")["text"].splitlines()
    named = sorted({line.split(":", 2)[2] for line in lines} - {"/"})
    if named and not case.own_kernel:
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: sees itself in {named[-1]}")
    return Judgement(Verdict.NAMESPACED, f"sandbox: {len(lines)} hierarchies, root in each")


def _field(case: Case, name: str) -> str:
    sandbox = case.get("sandbox")
    found = re.search(rf"^{name}:\s*(\w+)", sandbox.get("text", ""), re.MULTILINE)
    if not found:
        raise UnreadableError(f"/proc/self/status of the sandbox does not state {name}")
    return found[1]


def _capabilities(case: Case) -> Judgement:
    sets = {name: int(_field(case, name), 16) for name in ("CapEff", "CapBnd", "CapInh", "CapAmb")}
    extra = (sets["CapEff"] | sets["CapBnd"]) & ~ALLOWED
    text = f"sandbox: effective {sets['CapEff']:x}, bounding {sets['CapBnd']:x}"
    if not extra and not sets["CapInh"] and not sets["CapAmb"]:
        return Judgement(Verdict.DENIED, f"{text}; none beyond Podman's eleven")
    text = f"{text}; {extra.bit_count()} beyond Podman's eleven"
    mine = case.own_kernel or not same(case, 1)
    note = "in a user namespace of its own" if mine and not case.own_kernel else ""
    note = "over its own kernel" if case.own_kernel else note
    verdict = Verdict.NAMESPACED if mine else Verdict.SHARED_LIVE
    return Judgement(verdict, f"{text}; {note}" if note else text)


def _restriction(field: str, wanted: str) -> Decide:
    def decide(case: Case) -> Judgement:
        found = _field(case, field)
        evidence = f"sandbox: {field} {found}"
        if found == wanted:
            return Judgement(Verdict.DENIED, evidence)
        return Judgement(Verdict.NAMESPACED if case.own_kernel else Verdict.SHARED_LIVE, evidence)

    return decide


def _devices(case: Case) -> Judgement:
    if found := refusal(case):
        return found
    devices = case.get("sandbox")["devices"]
    extra = {name: entry for name, entry in devices.items() if name not in _STANDARD_DEVICES}
    opened = sorted(name for name, entry in extra.items() if entry[3] is True)
    tried = {name: entry[3] for name, entry in extra.items() if entry[3] is not None}
    unclear = [f"{name}: {said}" for name, said in tried.items() if said not in _ANSWERS]
    if not extra:
        return Judgement(Verdict.ABSENT, f"sandbox: only {', '.join(sorted(devices))}")
    if case.own_kernel:
        return Judgement(Verdict.NAMESPACED, f"sandbox: {len(extra)} devices of its own kernel")
    if opened:
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: opens {', '.join(opened[:6])}")
    if unclear:
        raise UnreadableError(f"{', '.join(unclear[:6])} says neither yes nor no")
    if not tried:
        raise UnreadableError(f"{len(extra)} nodes of which none may be opened without effects")
    return Judgement(Verdict.DENIED, f"sandbox: {len(extra)} nodes, none tried opens")


def _descriptors(case: Case) -> Judgement:
    found = case.get("sandbox").get("descriptors")
    if found is None:
        raise UnreadableError("the sandbox does not list its descriptors")
    if not found:
        return Judgement(Verdict.ABSENT, "sandbox: nothing above standard error")
    text = ", ".join(f"{number} {target}" for number, target in sorted(found.items())[:4])
    verdict = Verdict.NAMESPACED if case.own_kernel else Verdict.SHARED_LIVE
    return Judgement(verdict, f"sandbox: {text}")


def _environment(case: Case) -> Judgement:
    """Judge variables by name and checksum; only names are told, for values may be secrets.

    Short values have no checksum (see ``machine_agent``): ``CI=true`` agrees by chance.
    """
    if found := refusal(case):
        return found
    host, sandbox = (case.get(side)["variables"] for side in ("before", "sandbox"))
    alike = {name for name, value in sandbox.items() if value and host.get(name) == value}
    inherited = sorted(n for n in alike - _CONVENTIONAL if not n.startswith("LC_"))
    if inherited:
        return Judgement(Verdict.SHARED_LIVE, f"sandbox: inherits {', '.join(inherited)}")
    return Judgement(Verdict.NAMESPACED, f"sandbox: {len(sandbox)} variables, none of the host's")


def _probe(  # noqa: PLR0917  # a table below reads best by columns
    probe: str, title: str, kind: Kind, wants: tuple[Want, ...], decide: Decide, about: str
) -> Probe:
    return Probe(id=probe, title=title, kind=kind, wants=wants, decide=decide, vm=KEPT, about=about)


def _marked(probe: str, title: str, want: Want, mark: str, kind: Kind = Kind.OBJECTS) -> Probe:
    about = f"The host plants a {mark}; the sandbox looks for it in {want[2]}. A VM never sees it."
    return _probe(probe, title, kind, (want,), marked(mark), about)


def _openable(probe: str, title: str, paths: tuple[str, ...]) -> Probe:
    wants: tuple[Want, ...] = tuple((f"write {path}", "open", path, _WRITE) for path in paths)
    about = "Opens for writing and closes, never writes. A VM may open its own kernel's."
    return _probe(probe, title, Kind.POWER, wants, writable, about)


PROBES: tuple[Probe, ...] = (
    _probe(
        "hostname",
        "name of the host",
        Kind.IDENTITY,
        (_UNAME, _link("uts")),
        _hostname,
        "Compares nodenames; an equal one is the host's own only in the host's UTS namespace.",
    ),
    *(
        _probe(
            f"ns-{name}",
            f"{name} namespace",
            Kind.OBJECTS,
            (_link(name),),
            same_namespace,
            "Compares inode numbers of the namespace; equal on one kernel is the same one.",
        )
        for name in _NAMESPACES
    ),
    _marked("processes", "the host's processes", ("/proc", "processes", "/proc"), "process"),
    _marked(
        "sysv-ipc",
        "System V shared memory",
        ("/proc/sysvipc/shm", "file", "/proc/sysvipc/shm"),
        "segment",
    ),
    _marked("posix-shm", "POSIX shared memory", ("/dev/shm", "list", "/dev/shm"), "shared file"),  # noqa: S108  # looked at only
    _marked(
        "abstract-sockets",
        "abstract Unix sockets",
        ("/proc/self/net/unix", "file", "/proc/self/net/unix", 262144),
        "socket",
    ),
    _marked("keys", "the kernel's keys", ("/proc/keys", "file", "/proc/keys"), "key"),
    _marked("locks", "file locks", _LOCKS, "lock"),
    _marked("locks-ofd", "locks of open files", _LOCKS, "open file lock", Kind.ACTIVITY),
    _probe(
        "mounts",
        "the host's mounts",
        Kind.OBJECTS,
        (_MOUNTS,),
        _mounts,
        "Looks for mounts with a number and device of the host's table.",
    ),
    _probe(
        "mount-paths",
        "paths of the host in mount options",
        Kind.IDENTITY,
        (_MOUNTS,),
        _mount_paths,
        "Looks for host paths in the options of overlay mounts.",
    ),
    _probe(
        "uid-map",
        "mapping of user ids",
        Kind.POWER,
        (("/proc/self/uid_map", "file", "/proc/self/uid_map"),),
        _uid_map,
        "The identity map means that root inside is root outside.",
    ),
    _probe(
        "cgroup-view",
        "place in the control groups",
        Kind.IDENTITY,
        (("/proc/self/cgroup", "file", "/proc/self/cgroup"),),
        _cgroup,
        "A path other than the root names the host's groups.",
    ),
    _probe(
        "capabilities",
        "capabilities",
        Kind.POWER,
        (_STATUS, _link("user")),
        _capabilities,
        "Denied if effective and bounding sets stay within Podman's eleven and the inheritable "
        "and ambient sets are empty; more in an own user namespace is namespaced.",
    ),
    _probe(
        "no-new-privs",
        "no new privileges",
        Kind.POWER,
        (_STATUS,),
        _restriction("NoNewPrivs", "1"),
        "Set means set-user-id programs give nothing.",
    ),
    _probe(
        "seccomp",
        "filter of system calls",
        Kind.POWER,
        (_STATUS,),
        _restriction("Seccomp", "2"),
        "Mode 2 is a filter (proc_pid_status(5)).",
    ),
    _probe(
        "devices",
        "device nodes",
        Kind.POWER,
        (("/dev", "devices", "/dev"),),
        _devices,
        "Nodes beyond the standard ones; block devices and a few more are opened for reading.",
    ),
    _probe(
        "descriptors",
        "inherited descriptors",
        Kind.OBJECTS,
        (("/proc/self/fd", "descriptors", "/proc/self/fd"),),
        _descriptors,
        "Any descriptor above standard error was left open by the runtime.",
    ),
    _probe(
        "environment",
        "inherited environment",
        Kind.OBJECTS,
        (("environment", "variables"),),
        _environment,
        "A variable with a name and a value of eight bytes or more of the harness's own, beside "
        "those that every system has or a shell makes itself, such as OLDPWD. Values are compared "
        "by checksum and never kept.",
    ),
    _openable("sysctls", "the kernel's settings", tuple(f"/proc/sys/{n}" for n in _SYSCTLS)),
    _openable("sysrq", "the kernel's emergency keys", ("/proc/sysrq-trigger",)),
    _openable("core-pattern", "who receives core dumps", ("/proc/sys/kernel/core_pattern",)),
)
