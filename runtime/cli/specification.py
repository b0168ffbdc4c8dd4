"""The specification of a container, from its bundle or its copy, as this host can have it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.cli.home import with_home
from runtime.oci import bundle as bundles
from runtime.oci import parts
from runtime.oci.document import decode
from runtime.oci.mounts import write_mappings
from runtime.spec import CapabilitySets, capabilities
from runtime.spec.validation import process as rules
from runtime.spec.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runtime.seccomp import Filter
    from runtime.spec import Process, Spec

#: What a bundle without a process is read as: its start fails, nothing else (runtime.md, "Start").
_NO_PROCESS = {"cwd": "/", "args": ["-"]}


def load(folder: str, name: str) -> tuple[bytes, Spec]:
    """A bundle's configuration: its text, and the specification.

    Args:
        folder: of the bundle, absolute.
        name: of the file in it.

    Raises:
        SpecError: naming the field.
    """
    text = bundles.read_text(Path(folder, name))
    spec = parse(text, folder, checked=True)
    process = replace(spec.process, env=with_home(spec.process, str(spec.root.path)), init=False)
    return text, replace(spec, process=process)


def load_copy(path: str, folder: str) -> Spec:
    """The specification that a container was made from.

    Raises:
        SpecError: its copy cannot be read.
    """
    return parse(bundles.read_text(Path(path)), folder)


def parse(text: bytes, folder: str, *, checked: bool = False) -> Spec:
    """The specification; its process has no arguments where there is none.

    Args:
        text: JSON.
        folder: what relative paths start from.
        checked: whether this host has what it takes is looked at, too.

    Raises:
        SpecError: naming the field.
    """
    document = with_mappings(decode(text))
    absent = document.get("process") is None
    spec = bundles.parse({**document, "process": _NO_PROCESS} if absent else document, Path(folder))
    if checked:
        validate(spec, detached=True)
    return replace(spec, process=replace(spec.process, args=())) if absent else spec


def with_mappings(document: dict[str, Any]) -> dict[str, Any]:
    """The document; a new user namespace without mappings gets those that its launcher can give.

    For root these are all ids, each as itself, as crun has it.
    """
    linux = document.get("linux")
    if not isinstance(linux, dict) or linux.get("uidMappings") or linux.get("gidMappings"):
        return document
    fresh = {"type": "user"}
    namespaces = linux.get("namespaces")
    if not isinstance(namespaces, list) or fresh not in (
        {key: value for key, value in entry.items() if value}
        for entry in namespaces
        if isinstance(entry, dict)
    ):
        return document
    from runtime.users import mappings

    if os.geteuid() == 0:
        uids, gids = (mappings.held(f"/proc/self/{name}_map") for name in ("uid", "gid"))
    else:
        own = mappings.for_user()
        uids, gids = own.uid_mappings, own.gid_mappings
    return {
        **document,
        "linux": {
            **linux,
            "uidMappings": write_mappings(uids),
            "gidMappings": write_mappings(gids),
        },
    }


def filter_of(spec: Spec) -> Filter | None:
    """The compiled filter of a bundle, None where it has none.

    Raises:
        SpecError: naming the field. UnsupportedError: libseccomp is missing or refuses.
    """
    if not spec.linux.seccomp_object:
        return None
    from runtime.seccomp import compile_object  # only where wanted

    return compile_object(spec.linux.seccomp_object)


def grantable(process: Process, *, mapped: bool) -> tuple[Process, list[str]]:
    """The process without capabilities that nobody here can give, and sentences for those.

    They are no error to OCI (config.md, "Linux Process").

    Args:
        process: as the bundle has it.
        mapped: it is in a user namespace, where the container's root has them all.
    """
    if mapped or os.geteuid() != 0:
        return process, []
    held = _held()
    sets = process.capability_sets
    if sets is None:
        names = process.capabilities or ()
        kept = tuple(name for name in names if name in held)
        return replace(process, capabilities=kept), _lost(names, kept)
    kinds = ("bounding", "effective", "permitted", "inheritable", "ambient")
    wanted = {kind: getattr(sets, kind) for kind in kinds}
    left = {kind: tuple(name for name in names if name in held) for kind, names in wanted.items()}
    lost = _lost(*(sum(found.values(), ()) for found in (wanted, left)))
    return replace(process, capability_sets=CapabilitySets(**left)), lost


def _lost(wanted: tuple[str, ...], kept: tuple[str, ...]) -> list[str]:
    missing = [name for name in dict.fromkeys(wanted) if name not in kept]
    if not missing:
        return []
    words = ", ".join(missing)
    return [f"process.capabilities: {words} cannot be granted, since this process has none of it"]


def _held() -> frozenset[str]:
    """Capabilities that are both permitted here and in the bounding set."""
    masks: dict[str, int] = {}
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("CapPrm", "CapBnd"):
                masks[name] = int(value, 16)
    mask = masks["CapPrm"] & masks["CapBnd"]
    return frozenset(name for name, number in capabilities.NUMBERS.items() if mask >> number & 1)


def with_handed_over(env: Mapping[str, str], count: int) -> Mapping[str, str]:
    """The environment that tells of descriptors handed over by systemd's protocol.

    Source: sd_listen_fds(3); the workload is process 1 of its namespace.
    """
    if not count:
        return env
    return {**env, "LISTEN_FDS": str(count), "LISTEN_PID": "1"}


def handed_over() -> int:
    """How many descriptors whoever called this command hands over so, from 3 on."""
    count, pid = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID")
    if not count.isascii() or not count.isdigit() or len(count) > 4:  # noqa: PLR2004  # digits
        return 0
    return int(count) if pid in (None, "", str(os.getpid())) else 0


def check_exec_process(process: Process, spec: Spec) -> None:
    """Refuse a further process that cannot be right.

    Raises:
        SpecError: naming the field.
    """
    rules.check(process)
    if spec.linux.namespace("user") is not None:
        rules.check_mapped(process.user, spec.linux)


def read_process(path: str) -> Process:
    """The `process` object of a file of its own.

    Raises:
        SpecError: naming the field.
    """
    return parts.parse_process(bundles.read_text(Path(path)))[0]
