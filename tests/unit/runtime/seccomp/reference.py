"""What OCI says a filter does, worked out from the object itself: no compiler, no BPF."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from runtime.seccomp import actions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ALL = (1 << 64) - 1


def answer(value: Mapping[str, Any], name: str, args: Sequence[int]) -> int:
    """The action for one of the machine's own calls."""
    default = actions.encode(value["defaultAction"], value.get("defaultErrnoRet"))
    found = default
    for rule in value.get("syscalls", ()):
        action = actions.encode(rule["action"], rule.get("errnoRet"))
        if name not in rule["names"] or action == default:
            continue
        conditions = rule.get("args", ())
        if not conditions:
            return action  # outweighs every rule with conditions
        repeated = len({entry["index"] for entry in conditions}) < len(conditions)
        holds = [_holds(entry, args[entry["index"]]) for entry in conditions]
        if found == default and (any(holds) if repeated else all(holds)):
            found = action
    return found


def beyond(value: Mapping[str, Any]) -> int:
    """The action for a number that nobody could know."""
    if value["defaultAction"] == "SCMP_ACT_ERRNO":
        return actions.refuse(errno.ENOSYS)
    return actions.encode(value["defaultAction"], value.get("defaultErrnoRet"))


def _holds(condition: Mapping[str, Any], argument: int) -> bool:
    argument &= _ALL
    value, second = condition["value"], condition.get("valueTwo", 0)
    return {
        "SCMP_CMP_NE": argument != value,
        "SCMP_CMP_LT": argument < value,
        "SCMP_CMP_LE": argument <= value,
        "SCMP_CMP_EQ": argument == value,
        "SCMP_CMP_GE": argument >= value,
        "SCMP_CMP_GT": argument > value,
        "SCMP_CMP_MASKED_EQ": argument & value == second & value,
    }[condition["op"]]
