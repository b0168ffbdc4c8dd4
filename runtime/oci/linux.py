"""`linux`: namespaces, ids, devices and the rest but for resources (config-linux.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci import mounts, resources, seccomp
from runtime.oci.node import INT64, UINT32
from runtime.spec import NAMESPACES, Device, Linux, Namespace, tables
from runtime.spec.masks import expand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.oci.node import Node

#: config-linux.md, "Default Devices", but for /dev/ptmx and /dev/console, which come with devpts
#: and with a terminal.
DEFAULT_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SECOND_NS = 1_000_000_000
_NANOSECONDS = range(_SECOND_NS)
_CLOCKS = ("monotonic", "boottime")
_DEVICE_TYPES = ("c", "u", "b", "p")
_FILE_TYPE = 0o170000  # S_IFMT
_REFUSED = {
    "mountLabel": (
        # where the kernel has no SELinux the label means nothing
        lambda value: value == "" or not Path("/sys/fs/selinux").exists(),
        "this runtime cannot confine by SELinux; leave it out, or use another runtime",
    ),
    "intelRdt": (
        lambda _: False,
        "this runtime does not divide caches and memory bandwidth; leave it out, or use another",
    ),
    "memoryPolicy": (
        lambda value: value in ({}, {"mode": "MPOL_DEFAULT"}),
        "this runtime sets no NUMA policy; use linux.resources.cpu.mems, or another runtime",
    ),
    "netDevices": (
        lambda value: value == {},
        "this runtime moves no network devices; leave it out, or use another runtime",
    ),
}


def read(node: Node | None) -> Linux:
    """The Linux section of a bundle.

    Raises:
        SpecError: naming the field.
    """
    if node is None:
        return Linux(devices=DEFAULT_DEVICES)
    for key, (harmless, reason) in _REFUSED.items():
        node.refuse_unless(key, harmless, reason)
    nodes = tuple(_read_device(entry) for entry in node.nodes("devices"))
    given = {device.path for device in nodes}
    found = Linux(
        namespaces=tuple(_read_namespace(entry) for entry in node.nodes("namespaces")),
        uid_mappings=mounts.read_mappings(node, "uidMappings"),
        gid_mappings=mounts.read_mappings(node, "gidMappings"),
        resources=resources.read(node.node("resources")),
        cgroups_path=node.text("cgroupsPath"),
        masked_paths=node.texts("maskedPaths"),
        readonly_paths=node.texts("readonlyPaths"),
        # a device of the bundle's own takes the place of the default one
        devices=tuple(name for name in DEFAULT_DEVICES if f"/dev/{name}" not in given),
        device_nodes=nodes,
        seccomp_object=seccomp.read(node, "seccomp"),
        sysctl=node.text_map("sysctl"),
        time_offsets_ns=_read_offsets(node),
        rootfs_propagation=_read_propagation(node),
        personality=_read_personality(node),
    )
    _note_joined_user(node, found)
    node.close()
    return found


def _read_namespace(node: Node) -> Namespace:
    kind = node.require(node.word("type", "namespace", NAMESPACES), "type")
    path = node.text("path")
    return Namespace(kind, None if path is None else Path(path))


def _note_joined_user(node: Node, linux: Linux) -> None:
    user = linux.namespace("user")
    if user is not None and user.path is not None and linux.uid_mappings:
        # containerd and CRI-O give both
        node.aside.notes.append(
            f"{node.at('uidMappings')}: the user namespace at {user.path} has its mappings already"
        )


def _read_device(node: Node) -> Device:
    path = node.require(node.text("path"), "path").rstrip("/")
    kind = node.require(node.word("type", "type of device", _DEVICE_TYPES), "type")
    major, minor = node.integer("major", INT64), node.integer("minor", INT64)
    if kind != "p":
        node.require(major, "major")
        node.require(minor, "minor")
    mode = node.integer("fileMode", UINT32)
    return Device(
        path=path,
        type=kind,
        major=major or 0,
        minor=minor or 0,
        # Go's callers put the file's type in as well
        file_mode=0o666 if mode is None else mode & ~_FILE_TYPE,
        uid=node.integer("uid", UINT32) or 0,
        gid=node.integer("gid", UINT32) or 0,
    )


def _read_offsets(node: Node) -> dict[str, int]:
    found = {}
    for clock, entry in node.node_map("timeOffsets"):
        if clock not in _CLOCKS:
            raise SpecError(entry.path, f"only {' and '.join(_CLOCKS)} can be offset")
        seconds = entry.integer("secs", INT64) or 0
        found[clock] = seconds * _SECOND_NS + (entry.integer("nanosecs", _NANOSECONDS) or 0)
    return found


def _read_propagation(node: Node) -> str | None:
    known = (*tables.PROPAGATIONS, *(f"r{name}" for name in tables.PROPAGATIONS))
    value: str | None = node.word("rootfsPropagation", "propagation", known)
    # Docker and Podman give the recursive form, which is what this runtime does in any case
    return value[1:] if value is not None and value[0] == "r" else value


def _read_personality(node: Node) -> str | None:
    given = node.node("personality")
    if given is None:
        return None
    known = tables.PERSONALITIES
    domain: str = given.require(given.word("domain", "execution domain", known), "domain")
    flags = given.texts("flags")
    if flags:
        raise SpecError(given.at("flags"), f"{flags[0]!r} is not supported; OCI has no flags yet")
    given.close()
    return domain


def write(linux: Linux) -> dict[str, Any]:
    """The `linux` object; a built-in filter is written out."""
    rules = linux.seccomp_object
    if rules is None and linux.seccomp is not None:
        from runtime.seccomp import to_object  # only where one is written

        rules = to_object(linux.seccomp)
    values: dict[str, Any] = {
        "namespaces": [_write_namespace(entry) for entry in linux.namespaces],
        "uidMappings": mounts.write_mappings(linux.uid_mappings),
        "gidMappings": mounts.write_mappings(linux.gid_mappings),
        "timeOffsets": _write_offsets(linux.time_offsets_ns),
        "devices": [_write_device(device) for device in linux.device_nodes],
        "cgroupsPath": linux.cgroups_path,
        "resources": resources.write(linux.resources),
        "sysctl": dict(linux.sysctl),
        "seccomp": rules,
        "rootfsPropagation": linux.rootfs_propagation,
        "maskedPaths": expand(linux.masked_paths),
        "readonlyPaths": list(linux.readonly_paths),
        "personality": linux.personality and {"domain": linux.personality},
    }
    return {key: value for key, value in values.items() if value}


def _write_namespace(namespace: Namespace) -> dict[str, str]:
    path = {} if namespace.path is None else {"path": str(namespace.path)}
    return {"type": namespace.type, **path}


def _write_offsets(offsets: Mapping[str, int]) -> dict[str, dict[str, int]]:
    found = {}
    for clock, offset in offsets.items():
        # rounded down, for the nanoseconds have no sign
        seconds, nanoseconds = divmod(offset, _SECOND_NS)
        found[clock] = {"secs": seconds, "nanosecs": nanoseconds}
    return found


def _write_device(device: Device) -> dict[str, Any]:
    return {
        "path": device.path,
        "type": device.type,
        "major": device.major,
        "minor": device.minor,
        "fileMode": device.file_mode,
        "uid": device.uid,
        "gid": device.gid,
    }
