"""Device rules: later ones win, and what none matches is refused.

The same list is enforced by cgroup v1's list of exceptions, which this module works out, and by the
program that `runtime.cgroups.device_program` assembles for v2.
Source: runtime-spec, config-linux.md, "Allowed Device list"; security/device_cgroup.c.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, NamedTuple

from runtime.cgroups.files import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Bits of an access, as BPF_DEVCG_ACC_* has them.
ACCESS = {"m": 1, "r": 2, "w": 4}
_ALL = 7
_OPEN = ACCESS["r"] | ACCESS["w"]


class Rule(NamedTuple):
    """One rule; type is "b" or "c", None stands for every number, access is of ACCESS's bits."""

    allow: bool
    type: str
    major: int | None
    minor: int | None
    access: int


class Policy(NamedTuple):
    """What holds for devices that no rule matches, and the rules."""

    default: bool
    rules: tuple[Rule, ...]


_Key = tuple[str, "int | None", "int | None"]


def policy(entries: Iterable[Mapping[str, Any]]) -> Policy:
    """The rules of `Resources.devices`, without those that a later one for all devices overrules.

    Raises:
        CgroupOSError: EINVAL, naming the entry that cannot be right.
    """
    default = False
    rules: list[Rule] = []
    for entry in entries:
        bits = 0
        for letter in entry["access"]:
            bits |= ACCESS.get(letter, 8)
        if entry["type"] not in ("a", "b", "c", "u") or not 0 < bits <= _ALL:
            raise refusal(
                f"device rule {entry['type']!r} {entry['access']!r}: the type is a, b or c, the "
                "access some of r, w and m",
                errno.EINVAL,
            )
        major, minor = _number(entry.get("major")), _number(entry.get("minor"))
        if entry["type"] == "a" and bits == _ALL and major is None and minor is None:
            default = entry["allow"]
            rules.clear()
            continue
        kinds = {"a": "bc", "u": "c"}.get(entry["type"], entry["type"])
        rules += [Rule(entry["allow"], kind, major, minor, bits) for kind in kinds]
    return Policy(default, tuple(rules))


def _number(value: int | None) -> int | None:
    return None if value is None or value < 0 else value


def legacy_writes(wanted: Policy) -> list[tuple[str, str]]:
    """File and text of every write that makes a v1 group enforce the policy.

    v1 keeps a default and exceptions to it. An exception is removed only by its own numbers, and
    one open has to be covered by one exception: so the list is worked out here, and exceptions
    that overlap are joined where they do. Making a node is asked for by itself, so it joins none.

    Raises:
        CgroupOSError: EINVAL, a rule takes some devices out of an earlier, wider one.
    """
    found: dict[_Key, int] = {}
    for rule in wanted.rules:
        key = (rule.type, rule.major, rule.minor)
        if rule.allow != wanted.default:
            _add(found, key, rule.access)
            continue
        for other, access in found.items():
            both = _meet(key, other)
            if both == other:
                found[other] = access & ~rule.access
            elif both is not None and access & rule.access:
                raise refusal(
                    f"cgroup v1 cannot take {_text(key, rule.access)!r} out of the earlier "
                    f"{_text(other, access)!r}: name the devices one by one",
                    errno.EINVAL,
                )
    files = ("devices.allow", "devices.deny")
    writes = [(files[not wanted.default], "a")]
    writes += [(files[wanted.default], _text(key, bits)) for key, bits in found.items() if bits]
    return writes


def _add(found: dict[_Key, int], key: _Key, bits: int) -> None:
    bits |= found.get(key, 0)
    for other, access in list(found.items()):
        if _meet(key, other) == key:
            bits |= access & _OPEN if bits & _OPEN else 0
    if found.get(key, 0) == bits:
        return
    found[key] = bits
    for other, access in list(found.items()):
        both = _meet(key, other)
        if both is not None and both != key and access & _OPEN and bits & _OPEN:
            _add(found, both, (access | bits) & _OPEN)


def _meet(one: _Key, other: _Key) -> _Key | None:
    """What both match; None where nothing."""
    if one[0] != other[0]:
        return None
    numbers: list[int | None] = []
    for mine, theirs in zip(one[1:], other[1:], strict=True):
        if mine is not None and theirs is not None and mine != theirs:
            return None
        numbers.append(theirs if mine is None else mine)
    return (one[0], numbers[0], numbers[1])


def _text(key: _Key, bits: int) -> str:
    kind, major, minor = key
    numbers = ":".join("*" if number is None else str(number) for number in (major, minor))
    return f"{kind} {numbers} {''.join(letter for letter in 'rwm' if bits & ACCESS[letter])}"
