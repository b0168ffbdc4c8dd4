"""Rules for `linux`, but for its resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runtime.errors import SpecError
from runtime.spec import id_mappings, sysctl, tables
from runtime.spec.hints import short, unknown
from runtime.spec.linux import NAMESPACES
from runtime.spec.paths import member
from runtime.spec.validation.text import check_absolute, check_text

if TYPE_CHECKING:
    from runtime.spec import Device, Landlock, Linux

_CLOCKS = ("monotonic", "boottime")  # time_namespaces(7)
_OFFSETS = range(-(2**63), 2**63)
_DEVICE_TYPES = ("c", "u", "b", "p")  # mknod(1)
_MAJORS, _MINORS = range(2**12), range(2**20)  # include/linux/kdev_t.h
_MODES = range(0o10000)
_PORTS = range(2**16)
#: Name in /proc/PID/ns, where it is not the type's.
_FILES = {"mount": "mnt", "network": "net"}


def check(linux: Linux) -> None:
    """Refuse what cannot be right.

    Raises:
        SpecError: naming the field.
    """
    _check_namespaces(linux)
    _check_ids(linux)
    _check_clocks(linux)
    _check_sysctls(linux)
    _check_paths(linux)
    _check_devices(linux)
    if linux.landlock is not None:
        _check_landlock(linux.landlock)
    for path, value, known in (
        ("linux.rootfsPropagation", linux.rootfs_propagation, tables.PROPAGATIONS),
        ("linux.personality.domain", linux.personality, tables.PERSONALITIES),
    ):
        if value is not None and value not in known:
            raise unknown(path, value, path.split(".")[1], known)
    if linux.cgroups_path is not None:
        check_text("linux.cgroupsPath", linux.cgroups_path)
        if ".." in linux.cgroups_path.split("/"):
            raise SpecError("linux.cgroupsPath", "must not lead upwards by '..'")


def check_joined_sysctls(linux: Linux) -> None:
    """Refuse parameters of a namespace that is joined by path and turns out to be the host's.

    Raises:
        SpecError: naming the parameter.
    """
    for name in linux.sysctl:
        kind = sysctl.owner(name)
        entry = linux.namespace(kind) if kind else None
        if entry is None or entry.path is None:
            continue
        try:
            same = entry.path.samefile(f"/proc/self/ns/{_FILES.get(entry.type, entry.type)}")
        except OSError:  # joining it will say why
            continue
        if same:
            raise SpecError(
                member("linux.sysctl", name), f"{entry.path} is the host's {kind} namespace"
            )


def _check_namespaces(linux: Linux) -> None:
    seen = set()
    for number, entry in enumerate(linux.namespaces):
        path = f"linux.namespaces[{number}]"
        if entry.type not in NAMESPACES:
            raise unknown(f"{path}.type", entry.type, "namespace", NAMESPACES)
        if entry.type in seen:
            raise SpecError(f"{path}.type", f"{entry.type!r} is given twice")
        seen.add(entry.type)
        if entry.path is not None:
            check_absolute(f"{path}.path", str(entry.path))


def _check_ids(linux: Linux) -> None:
    user = linux.namespace("user")
    for name, entries in (
        ("linux.uidMappings", linux.uid_mappings),
        ("linux.gidMappings", linux.gid_mappings),
    ):
        if user is None:
            if entries:
                raise SpecError(name, "needs a user namespace")
        elif user.path is None:
            if not entries:
                raise SpecError(name, "a user namespace without mappings has no root")
            id_mappings.check(name, entries)
            if id_mappings.to_host(entries, 0) is None:
                raise SpecError(name, "maps no id to 0, and the set-up needs the container's root")
        else:
            id_mappings.check(name, entries)


def _check_clocks(linux: Linux) -> None:
    if not linux.time_offsets_ns:
        return
    time = linux.namespace("time")
    if time is None:
        raise SpecError("linux.timeOffsets", "needs a time namespace")
    if time.path is not None:
        raise SpecError("linux.timeOffsets", f"the namespace at {time.path} has its own")
    for clock, offset in linux.time_offsets_ns.items():
        if clock not in _CLOCKS:
            raise unknown("linux.timeOffsets", clock, "clock that can be offset", _CLOCKS)
        if offset not in _OFFSETS:
            raise SpecError(f"linux.timeOffsets.{clock}", "is beyond what the clock can hold")


def _check_sysctls(linux: Linux) -> None:
    for name, value in linux.sysctl.items():
        path = member("linux.sysctl", name)
        check_text(path, name)
        check_text(path, value)
        if sysctl.parts(name) == ("kernel", "hostname"):
            raise SpecError(path, "is what the field hostname is for; use that")
        kind = sysctl.owner(name)
        if kind is None:
            raise SpecError(path, "belongs to no namespace, so it would change the host's")
        if linux.namespace(kind) is None:
            raise SpecError(path, f"needs a namespace of type {kind}; without one it is the host's")


def _check_paths(linux: Linux) -> None:
    for key, paths in (
        ("maskedPaths", linux.masked_paths),
        ("readonlyPaths", linux.readonly_paths),
    ):
        for number, path in enumerate(paths):
            check_absolute(f"linux.{key}[{number}]", path)


def _check_devices(linux: Linux) -> None:
    for name in linux.devices:
        check_text("linux.devices", name)
        if not name or name.startswith("/") or ".." in name.split("/"):
            raise SpecError("linux.devices", f"{short(name)} is no name below /dev")
    seen = set()
    for number, device in enumerate(linux.device_nodes):
        path = f"linux.devices[{number}]"
        _check_device(path, device)
        if device.path in seen:
            raise SpecError(f"{path}.path", f"{device.path} is given twice")
        seen.add(device.path)


def _check_device(path: str, device: Device) -> None:
    check_absolute(f"{path}.path", device.path)
    if device.type not in _DEVICE_TYPES:
        raise unknown(f"{path}.type", device.type, "type of device", _DEVICE_TYPES)
    ids = range(id_mappings.LAST_ID + 1)
    for key, value, allowed in (
        ("major", device.major, _MAJORS),
        ("minor", device.minor, _MINORS),
        ("fileMode", device.file_mode, _MODES),
        ("uid", device.uid, ids),
        ("gid", device.gid, ids),
    ):
        if value not in allowed:
            raise SpecError(f"{path}.{key}", f"{short(value)} is outside 0 to {allowed.stop - 1}")


def _check_landlock(landlock: Landlock) -> None:
    for key, paths in (("read", landlock.read), ("write", landlock.write)):
        for number, path in enumerate(paths):
            check_absolute(f"linux.landlock.{key}[{number}]", path)
    for key, ports in (
        ("bind_ports", landlock.bind_ports),
        ("connect_ports", landlock.connect_ports),
    ):
        for port in ports or ():
            if port not in _PORTS:
                raise SpecError(f"linux.landlock.{key}", f"{port} is no TCP port")
