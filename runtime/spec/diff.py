"""The differences of two specifications in words."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from runtime.spec import (
    Device,
    DeviceRule,
    Hook,
    HugepageLimit,
    IdMapping,
    IoLimit,
    Mount,
    Namespace,
    Rlimit,
    Spec,
)
from runtime.spec.paths import member

#: What is asked of every container anew, or is about the specification and not the container.
_SKIPPED = ("profile", "notes", "oci_version", "process.args", "root.path")
#: Sections that are looked into; every other record is one value.
_SECTIONS = ("process", "process.user", "root", "linux", "linux.resources", "hooks")
_OCTAL = ("process.umask",)
_ABSENT = "absent"


def diff(spec: Spec, base: Spec) -> list[str]:
    """What differs from `base`, one line a field: "linux.seccomp: 'default' -> None".

    Of a list the lost entries are shown by "-" and the new ones by "+".
    """
    ours, theirs = _flatten(spec), _flatten(base)
    lines = []
    for path in sorted(ours.keys() | theirs.keys()):
        before, after = theirs.get(path, _ABSENT), ours.get(path, _ABSENT)
        if before != after:
            lines.append(f"{path}: {_difference(before, after)}")
    return lines


def _difference(before: Any, after: Any) -> str:
    if isinstance(before, list) and isinstance(after, list):
        gone = [f"-{entry}" for entry in before if entry not in after]
        new = [f"+{entry}" for entry in after if entry not in before]
        return ", ".join(gone + new) or "another order"
    return f"{_show(before)} -> {_show(after)}"


def _show(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "nothing"
    return str(value)


def _flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Every field by its path: a list of words, or one word."""
    if path in _SKIPPED:
        return {}
    if path == "" or path in _SECTIONS:
        flat: dict[str, Any] = {}
        for field in fields(value):
            inner = f"{path}.{field.name}" if path else field.name
            flat |= _flatten(getattr(value, field.name), inner)
        return flat
    if isinstance(value, Mapping) and path != "linux.seccomp_object":
        return {member(path, key): repr(entry) for key, entry in value.items()}
    if isinstance(value, tuple) and path != "process.console_size":
        return {path: [_word(entry) for entry in value]}
    return {path: oct(value) if path in _OCTAL else _word(value, quoted=True)}


def _word(value: Any, *, quoted: bool = False) -> str:
    """One value in the words of its own kind."""
    if type(value) in _WORDS:
        return _WORDS[type(value)](value)
    if isinstance(value, Mapping):
        count = len(value.get("syscalls") or ())
        return f"a filter with {value.get('defaultAction')} and {count} rules"
    if is_dataclass(value):
        return _pairs(value) or type(value).__name__
    return repr(value) if quoted else str(value)


def _pairs(record: Any, *skipped: str) -> str:
    """The fields that say something, as "name=value"."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return " ".join(
        f"{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in values.items()
        if name not in skipped and value not in (None, (), "", 0) and value is not False
    )


def _mount(mount: Mount) -> str:
    what = f"{mount.type} of {mount.source}" if mount.type == "bind" else mount.type
    ids = [
        f"{kind} {_ids(entry)}"
        for kind, entries in (("uids", mount.uid_mappings), ("gids", mount.gid_mappings))
        for entry in entries
    ]
    return " ".join((mount.destination, f"({' '.join((what, *mount.options, *ids))})"))


def _ids(mapping: IdMapping) -> str:
    inside, outside = (
        f"{first}..{first + mapping.size - 1}" for first in (mapping.container_id, mapping.host_id)
    )
    return f"{inside} as {outside}"


def _rule(rule: DeviceRule) -> str:
    numbers = ":".join(
        "*" if number is None else str(number) for number in (rule.major, rule.minor)
    )
    return f"{'allow' if rule.allow else 'deny'} {rule.type} {numbers} {rule.access}"


_WORDS: dict[type, Callable[[Any], str]] = {
    Mount: _mount,
    IdMapping: _ids,
    DeviceRule: _rule,
    Namespace: lambda value: value.type if value.path is None else f"{value.type} of {value.path}",
    Rlimit: lambda value: f"{value.type} {value.soft}/{value.hard}",
    Hook: lambda value: " ".join((value.path, *value.args[1:])),
    HugepageLimit: lambda value: f"{value.page_size} {value.limit_bytes}",
    IoLimit: lambda value: f"{value.major}:{value.minor} {_pairs(value, 'major', 'minor')}",
    Device: lambda value: (
        f"{value.path} {value.type} {value.major}:{value.minor} mode={value.file_mode:o} "
        f"owner={value.uid}:{value.gid}"
    ),
}
