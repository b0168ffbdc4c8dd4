"""Profile files as Docker and Podman keep them: OCI's object, and for whom each rule is meant.

A rule may hold for some architectures only, with or without some capabilities, and from a kernel
version on (`includes`, `excludes`); `archMap` lists the entries that go with a machine's own.

Sources: moby/profiles, seccomp/seccomp.go; containers/common, pkg/seccomp/types.go.
"""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.seccomp import oci

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

#: uname(2)'s machine to the file's words for it, which are Go's, and to OCI's.
_MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "loongarch64": ("loong64", "SCMP_ARCH_LOONGARCH64"),
}
_OWN_FIELDS = ("archMap", "defaultErrno", "syscalls")
_RULE_FIELDS = ("name", "errno", "includes", "excludes", "comment")


def load_file(path: Path, capabilities: Iterable[str]) -> dict[str, Any]:
    """Read a file and choose the rules that are meant for such a container on this host.

    Args:
        path: of the file; a plain OCI object does as well.
        capabilities: the container's bounding set, by name.

    Returns:
        An object for `compile_object`.

    Raises:
        SpecError: the file cannot be read or is none; names the field.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(str(path), f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SpecError(str(path), "holds no JSON object")
    return select(value, frozenset(capabilities), where=f"{path}: seccomp")


def select(
    value: dict[str, Any], capabilities: Collection[str], where: str = "seccomp"
) -> dict[str, Any]:
    """Choose from a file's content; see `load_file`. Rules not chosen are checked as well."""
    uname = os.uname()
    machine, architecture = _MACHINES.get(uname.machine, (uname.machine, ""))
    found = {key: field for key, field in value.items() if key not in _OWN_FIELDS}
    if value.get("architectures") and value.get("archMap"):
        raise SpecError(f"{where}.archMap", "stands beside architectures; keep one of them")
    for entry in _objects(value, "archMap", where):
        if entry.get("architecture") == architecture:
            found["architectures"] = [architecture, *(entry.get("subArchitectures") or ())]
    if found.get("defaultErrnoRet") is None and value.get("defaultErrno"):
        found["defaultErrnoRet"] = _error_number(value["defaultErrno"], f"{where}.defaultErrno")
    oci.parse(found, path=where, notified=False)
    found["syscalls"] = []
    for at, entry in enumerate(_objects(value, "syscalls", where)):
        place = f"{where}.syscalls[{at}]"
        rule = _rule(entry, place)
        if _meant(entry, machine, uname.release, capabilities, place):
            found["syscalls"].append(rule)
    return found


def _objects(value: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    entries = value.get(key) or []
    if not isinstance(entries, list) or any(not isinstance(entry, dict) for entry in entries):
        raise SpecError(f"{where}.{key}", "is not a list of objects")
    return entries


def _meant(
    entry: dict[str, Any], machine: str, release: str, capabilities: Collection[str], place: str
) -> bool:
    """Whether every `includes` holds and no `excludes` does."""
    wanted, unwanted = (entry.get(key) or {} for key in ("includes", "excludes"))
    for key, conditions in (("includes", wanted), ("excludes", unwanted)):
        unknown = set(conditions) - {"caps", "arches", "minKernel"}
        if unknown:  # to pass over a condition could allow what was not to be allowed
            raise SpecError(f"{place}.{key}", f"{', '.join(sorted(unknown))} is not known here")
    at_least = f"{place}.{{}}.minKernel"
    if wanted.get("arches") and machine not in wanted["arches"]:
        return False
    if not set(wanted.get("caps") or ()) <= set(capabilities):
        return False
    minimum = wanted.get("minKernel")
    if minimum and not _reaches(release, minimum, at_least.format("includes")):
        return False
    if machine in (unwanted.get("arches") or ()):
        return False
    if set(unwanted.get("caps") or ()) & set(capabilities):
        return False
    minimum = unwanted.get("minKernel")
    return not (minimum and _reaches(release, minimum, at_least.format("excludes")))


def _reaches(release: str, minimum: str, place: str) -> bool:
    return _version(release, place) >= _version(minimum, place)


def _version(text: str, place: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", str(text))
    if match is None:
        raise SpecError(place, f"{text!r} is not a kernel version like 4.8")
    return int(match[1]), int(match[2])


def _rule(entry: dict[str, Any], place: str) -> dict[str, Any]:
    rule = {key: field for key, field in entry.items() if key not in _RULE_FIELDS}
    if entry.get("name"):
        if entry.get("names"):
            raise SpecError(f"{place}.name", "stands beside names; keep one of them")
        rule["names"] = [entry["name"]]
    if rule.get("errnoRet") is None and entry.get("errno"):
        rule["errnoRet"] = _error_number(entry["errno"], f"{place}.errno")
    if not rule.get("args"):
        rule.pop("args", None)
    oci.parse_rule(rule, place)
    return rule


def _error_number(name: Any, place: str) -> int:
    number = getattr(errno, name, None) if isinstance(name, str) else None
    if not isinstance(number, int):
        raise SpecError(place, f"{name!r} is no error of errno(3)")
    return number
