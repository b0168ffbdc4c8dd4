"""A filter as data, in the vocabulary of OCI's `linux.seccomp`, and what it is compiled to.

Source: opencontainers/runtime-spec, config-linux.md, "Seccomp"; seccomp_rule_add(3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runtime.seccomp import actions

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What an int argument keeps of the 64 bits that a filter sees.
INT = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Argument:
    """A condition on one argument of a call.

    For SCMP_CMP_MASKED_EQ `value` is the mask and `value_two` what is compared with. Conditions of
    ours always have a mask: the kernel takes 32 bits of an int argument while a filter sees 64, so
    a plain comparison is evaded by setting the upper half (CVE-2019-10063).
    """

    index: int
    value: int
    value_two: int = 0
    op: str = "SCMP_CMP_EQ"

    @classmethod
    def int_equal(cls, index: int, value: int) -> Argument:
        """The int argument equals `value`."""
        return cls(index, INT, value & INT, "SCMP_CMP_MASKED_EQ")

    @classmethod
    def int_without(cls, index: int, bits: int) -> Argument:
        """The int argument has none of `bits`."""
        return cls(index, bits, 0, "SCMP_CMP_MASKED_EQ")


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens to some calls where all conditions hold; without conditions, always."""

    names: tuple[str, ...]
    action: str = "SCMP_ACT_ALLOW"
    args: tuple[Argument, ...] = ()
    errno_ret: int | None = None

    @property
    def encoded(self) -> int:
        """The action as a filter returns it."""
        return actions.encode(self.action, self.errno_ret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A whole filter, not yet compiled.

    Attributes:
        name: for messages and reports.
        default_action: what happens to calls that no rule names.
        default_errno_ret: error number of that action; None for EPERM.
        architectures: entries beside the machine's own that the rules hold for.
        flags: SECCOMP_FILTER_FLAG_* by name; None leaves the choice to the runtime.
        listener_path: socket to which the descriptor of SCMP_ACT_NOTIFY is sent.
        listener_metadata: opaque text sent along with it.
        provenance: where a learned profile comes from.
    """

    name: str = "custom"
    default_action: str = "SCMP_ACT_ERRNO"
    default_errno_ret: int | None = None
    architectures: tuple[str, ...] = ()
    flags: tuple[str, ...] | None = None
    listener_path: str | None = None
    listener_metadata: str = ""
    rules: tuple[Rule, ...] = ()
    provenance: Mapping[str, Any] | None = None

    @property
    def default(self) -> int:
        """The default action as a filter returns it."""
        return actions.encode(self.default_action, self.default_errno_ret)

    @property
    def notifies(self) -> bool:
        """Whether some call is handed to a listener."""
        names = (self.default_action, *(rule.action for rule in self.rules))
        return "SCMP_ACT_NOTIFY" in names

    def calls(self) -> tuple[str, ...]:
        """Every call allowed outright, in the order of the rules."""
        return tuple(
            name
            for rule in self.rules
            if rule.action == "SCMP_ACT_ALLOW" and not rule.args
            for name in rule.names
        )


@dataclass(frozen=True, slots=True)
class Filter:
    """A compiled filter: all that the last step before the exec needs.

    Attributes:
        program: an array of struct sock_filter.
        flags: for seccomp(2); has SECCOMP_FILTER_FLAG_NEW_LISTENER where a call is handed to a
            listener, and seccomp(2) then returns its descriptor.
        listener_path: where that descriptor goes; None where nobody outside asked for it.
        listener_metadata: what goes along with it.
    """

    program: bytes
    flags: int = 0
    listener_path: str | None = None
    listener_metadata: str = ""
