"""`linux.seccomp`: checked and kept as it is.

Source: config-linux.md, "Seccomp". What the filter means is compiled elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci.node import UINT16, UINT64, Aside, Node

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIONS = (
    "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
)  # fmt: skip
OPERATORS = (
    "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
    "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
)  # fmt: skip
ARCHITECTURES = tuple(
    f"SCMP_ARCH_{name}"
    for name in (
        "AARCH64", "ARM", "LOONGARCH64", "M68K", "MIPS", "MIPS64", "MIPS64N32", "MIPSEL",
        "MIPSEL64", "MIPSEL64N32", "PARISC", "PARISC64", "PPC", "PPC64", "PPC64LE", "RISCV64",
        "S390", "S390X", "SH", "SHEB", "X32", "X86", "X86_64",
    )
)  # fmt: skip
FLAGS = tuple(
    f"SECCOMP_FILTER_FLAG_{name}" for name in ("LOG", "SPEC_ALLOW", "TSYNC", "WAIT_KILLABLE_RECV")
)
#: Those whose result carries a number.
_NUMBERED = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
_ARGUMENTS = range(6)


def read(node: Node, key: str) -> Mapping[str, Any] | None:
    """The filter of a bundle as it stands there, once it is known to be well-formed.

    Raises:
        SpecError: naming the field.
    """
    value = node.take(key)
    if value is None:
        return None
    aside = Aside()
    given = Node(node.at(key), value, aside)
    actions = {_read_action(given, "defaultAction", "defaultErrnoRet")}
    given.words("architectures", "architecture of libseccomp", ARCHITECTURES)
    given.words("flags", "flag of seccomp(2)", FLAGS)
    for entry in given.nodes("syscalls"):
        if not entry.texts("names"):
            raise SpecError(entry.at("names"), "names no system call")
        actions.add(_read_action(entry, "action", "errnoRet"))
        for argument in entry.nodes("args"):
            _check_argument(argument)
    listener, metadata = given.text("listenerPath"), given.text("listenerMetadata")
    if listener is None and "SCMP_ACT_NOTIFY" in actions:
        raise SpecError(given.at("listenerPath"), "is missing; SCMP_ACT_NOTIFY needs a listener")
    if listener is None and metadata is not None:
        raise SpecError(given.at("listenerMetadata"), "needs listenerPath, which is missing")
    given.take("provenance")  # of a profile that was learned; no more than a remark
    given.close()
    # what is unknown stands in the object itself
    node.aside.notes += aside.notes
    checked: Mapping[str, Any] = value
    return checked


def _read_action(node: Node, key: str, number_key: str) -> str:
    action: str = node.require(node.word(key, "action of libseccomp", ACTIONS), key)
    number = node.integer(number_key, UINT16)
    if number is not None and action not in _NUMBERED:
        raise SpecError(node.at(number_key), f"{action} returns no number; leave it out")
    return action


def _check_argument(node: Node) -> None:
    node.require(node.integer("index", _ARGUMENTS), "index")
    node.require(node.integer("value", UINT64), "value")
    node.integer("valueTwo", UINT64)
    node.require(node.word("op", "operator of libseccomp", OPERATORS), "op")
