"""The part of a filter that libseccomp makes: conditions on arguments, other architectures.

libseccomp (2.6.0) gets one rule right, and several for a call where they ask one argument for
equality. Several with `<`, `<=`, `>` or `>=` it merges into one tree that loses some of them: of
"below 5 or below 2^32", 6 is neither. Some unions allow what no rule allows, and some make
seccomp_rule_add(3) loop for ever. So such rules are compiled one by one, and each program falls
through to the next where its rule does not hold: the first that holds counts.
"""

from __future__ import annotations

import errno
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import SpecError, UnsupportedError
from runtime.seccomp import actions, assembly, library

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.seccomp.model import Argument

_EQUALITIES = ("SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ")
_EVERY_BIT = (1 << 64) - 1
#: Above it a tree is shorter than libseccomp's list.
_WORTH_A_TREE = 32


class Single(NamedTuple):
    """A rule as libseccomp takes it: one call, conditions that must all hold.

    `at` is the place of the profile's rule it comes from.
    """

    at: int
    action: int
    number: int
    conditions: tuple[Argument, ...]


class Setting(NamedTuple):
    """What the whole filter has: default action, action for unlisted entries, listed entries."""

    default: int
    foreign: int
    architectures: tuple[tuple[str, int], ...]
    path: str


def compile_tail(singles: Sequence[Single], setting: Setting) -> bytes:
    """A program for what the head leaves open.

    Raises:
        SpecError: an architecture does not go with the machine's own.
        UnsupportedError: libseccomp refuses.
    """
    together: list[Single] = []
    parts: list[bytes] = []
    for _, group in groupby(sorted(singles, key=lambda s: s.number), key=lambda s: s.number):
        rules = list(group)
        if len(rules) == 1 or _merge_well(rules):
            together += rules
        else:
            parts += [_one(rule, setting) for rule in rules]
    if together or setting.architectures:
        parts.append(_program(together, setting, setting.default, setting.foreign))
    else:
        parts.append(assembly.encode([assembly.answer(setting.default)]))
    return b"".join(parts)


def _merge_well(rules: Sequence[Single]) -> bool:
    """Whether all ask one argument for equality, and get one answer or never hold together."""
    if any(len(rule.conditions) != 1 for rule in rules):
        return False
    asked = [rule.conditions[0] for rule in rules]
    if len({condition.index for condition in asked}) > 1:
        return False
    if any(condition.op not in _EQUALITIES for condition in asked):
        return False
    values = {_compared(condition) for condition in asked}
    masks = {mask for mask, _ in values}
    return len({rule.action for rule in rules}) == 1 or (
        len(masks) == 1 and len(values) == len(asked)
    )


def _compared(condition: Argument) -> tuple[int, int]:
    """The mask, and what the argument has to be under it."""
    if condition.op == "SCMP_CMP_EQ":
        return _EVERY_BIT, condition.value
    return condition.value, condition.value_two & condition.value


def _one(rule: Single, setting: Setting) -> bytes:
    """A program for one rule that goes on behind its end where the rule does not hold."""
    marker = actions.refuse(errno.EPERM)
    if marker == rule.action:
        marker = actions.refuse(errno.ENOSYS)
    return assembly.fall_through(_program([rule], setting, marker, marker), marker)


def _program(rules: Sequence[Single], setting: Setting, default: int, foreign: int) -> bytes:
    with library.Builder(default, foreign, search=len(rules) > _WORTH_A_TREE) as builder:
        for name, token in setting.architectures:
            try:
                builder.add_architecture(token)
            except UnsupportedError as error:
                raise SpecError(
                    f"{setting.path}.architectures",
                    f"{name} cannot stand beside the machine's own: {error}",
                ) from error
        for rule in rules:
            builder.rule(rule.action, rule.number, rule.conditions)
        return builder.program()
