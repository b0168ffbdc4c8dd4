"""A filter as OCI's `linux.seccomp` has it: read with every mistake named, and written.

Source: opencontainers/runtime-spec, config-linux.md, "Seccomp".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.seccomp import actions, library
from runtime.seccomp.compiler import FLAGS
from runtime.seccomp.model import Argument, Profile, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATH = "linux.seccomp"
ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        "NATIVE", "X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "MIPS64", "MIPS64N32",
        "MIPSEL", "MIPSEL64", "MIPSEL64N32", "PPC", "PPC64", "PPC64LE", "S390", "S390X", "PARISC",
        "PARISC64", "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB",
    )
)  # fmt: skip
_ARGUMENTS = 6
_LARGEST = (1 << 64) - 1
_WORDS = {str: "a string", int: "a whole number", list: "a list", dict: "an object"}


def parse(
    value: Mapping[str, Any], *, name: str = "custom", path: str = PATH, notified: bool = True
) -> Profile:
    """Read an object; fields that OCI does not know are left alone.

    Args:
        value: the object.
        name: of the profile.
        path: where the object stands in the specification, for messages.
        notified: refuse SCMP_ACT_NOTIFY without a `listenerPath` to report to.

    Raises:
        SpecError: naming the field.
    """
    default = _one_of(value, "defaultAction", actions.BY_NAME, path)
    profile = Profile(
        name=name,
        default_action=default,
        default_errno_ret=_errno(value, "defaultErrnoRet", default, path),
        architectures=_listed(value, "architectures", ARCHITECTURES, path) or (),
        flags=_listed(value, "flags", FLAGS, path),
        listener_path=_get(value, "listenerPath", str, path) or None,
        listener_metadata=_get(value, "listenerMetadata", str, path) or "",
        rules=tuple(
            parse_rule(entry, f"{path}.syscalls[{at}]")
            for at, entry in enumerate(_get(value, "syscalls", list, path) or [])
        ),
        provenance=_get(value, "provenance", dict, path),
    )
    if profile.listener_metadata and profile.listener_path is None:
        raise SpecError(f"{path}.listenerMetadata", "needs a listenerPath to be sent to")
    if notified and profile.notifies and profile.listener_path is None:
        raise SpecError(f"{path}.listenerPath", "is missing; SCMP_ACT_NOTIFY reports to it")
    return profile


def to_object(profile: Profile) -> dict[str, Any]:
    """The profile as `linux.seccomp`; `parse` reads it back unchanged but for the name."""
    found: dict[str, Any] = {"defaultAction": profile.default_action}
    if profile.default_errno_ret is not None:
        found["defaultErrnoRet"] = profile.default_errno_ret
    if profile.architectures:
        found["architectures"] = list(profile.architectures)
    if profile.flags is not None:
        found["flags"] = list(profile.flags)
    if profile.listener_path is not None:
        found["listenerPath"] = profile.listener_path
    if profile.listener_metadata:
        found["listenerMetadata"] = profile.listener_metadata
    if profile.rules:
        found["syscalls"] = [_entry(rule) for rule in profile.rules]
    if profile.provenance is not None:
        found["provenance"] = dict(profile.provenance)
    return found


def _entry(rule: Rule) -> dict[str, Any]:
    entry: dict[str, Any] = {"names": list(rule.names), "action": rule.action}
    if rule.errno_ret is not None:
        entry["errnoRet"] = rule.errno_ret
    if rule.args:
        entry["args"] = [
            {"index": arg.index, "value": arg.value, "valueTwo": arg.value_two, "op": arg.op}
            for arg in rule.args
        ]
    return entry


def parse_rule(value: Any, path: str) -> Rule:
    """Read one entry of `syscalls`; see `parse`."""
    value = _checked(value, dict, path)
    names = _get(value, "names", list, path)
    if not names:
        raise SpecError(f"{path}.names", "is empty; name at least one call")
    for at, name in enumerate(names):
        if not _checked(name, str, f"{path}.names[{at}]"):
            raise SpecError(f"{path}.names[{at}]", "is empty")
    action = _one_of(value, "action", actions.BY_NAME, path)
    return Rule(
        names=tuple(names),
        action=action,
        args=tuple(
            _argument(entry, f"{path}.args[{at}]")
            for at, entry in enumerate(_get(value, "args", list, path) or [])
        ),
        errno_ret=_errno(value, "errnoRet", action, path),
    )


def _argument(value: Any, path: str) -> Argument:
    value = _checked(value, dict, path)
    op = _one_of(value, "op", library.OPERATORS, path)
    return Argument(
        index=_number(value, "index", _ARGUMENTS - 1, path),
        value=_number(value, "value", _LARGEST, path),
        value_two=_number(value, "valueTwo", _LARGEST, path) if value.get("valueTwo") else 0,
        op=op,
    )


def _errno(value: Mapping[str, Any], key: str, action: str, path: str) -> int | None:
    if value.get(key) is None:
        return None
    largest = actions.LARGEST_NUMBER.get(action)
    if largest is None:
        raise SpecError(f"{path}.{key}", f"{action} takes no error number")
    return _number(value, key, largest, path)


def _number(value: Mapping[str, Any], key: str, largest: int, path: str) -> int:
    found: int | None = _get(value, key, int, path)
    if found is None:
        raise SpecError(f"{path}.{key}", "is missing")
    if not 0 <= found <= largest:
        raise SpecError(f"{path}.{key}", f"{found} is not from 0 to {largest}")
    return found


def _one_of(value: Mapping[str, Any], key: str, known: Iterable[str], path: str) -> str:
    found: str | None = _get(value, key, str, path)
    if found is None:
        raise SpecError(f"{path}.{key}", "is missing")
    return _known(found, known, f"{path}.{key}")


def _listed(
    value: Mapping[str, Any], key: str, known: Iterable[str], path: str
) -> tuple[str, ...] | None:
    found = _get(value, key, list, path)
    if found is None:
        return None
    return tuple(
        _known(_checked(entry, str, f"{path}.{key}[{at}]"), known, f"{path}.{key}[{at}]")
        for at, entry in enumerate(found)
    )


def _known(found: str, known: Iterable[str], path: str) -> str:
    if found not in known:
        raise SpecError(path, f"{found!r} is none of {', '.join(known)}")
    return found


def _get(value: Mapping[str, Any], key: str, kind: type, path: str) -> Any:
    """The field, None where it is missing or null."""
    found = value.get(key)
    return None if found is None else _checked(found, kind, f"{path}.{key}")


def _checked(found: Any, kind: type, path: str) -> Any:
    if not isinstance(found, kind) or isinstance(found, bool):
        raise SpecError(path, f"{found!r} is not {_WORDS[kind]}")
    return found
