"""The head of a filter: finds in a few comparisons what is to be done with a call number.

libseccomp emits a comparison for every call a filter names. The kernel runs a new filter once for
every call number there is, to know which calls it allows whatever their arguments (a call of these
then costs no filter at all), and translates it to machine code; so a load takes time in
proportion to the length. Numbers in a row mostly share their fate: what is allowed in our default
profile is some seventy stretches, between which six or seven comparisons decide.

Source: kernel/seccomp.c (seccomp_cache_prepare), include/uapi/linux/bpf_common.h.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LOAD, _JUMP, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x05, 0x15, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_LONGEST_BRANCH = 255
#: x86-64: numbers from here on are calls of the x32 entry (arch/x86/include/uapi/asm/unistd.h).
X32_BIT = 0x40000000

#: What is done with a number: an action, or None for "see the tail".
type Fate = int | None


#: Longest program that the kernel takes (BPF_MAXINSNS), in instructions.
LONGEST = 4096
_SIZE = 8


class Instruction(NamedTuple):
    """One struct sock_filter."""

    code: int
    if_true: int = 0
    if_false: int = 0
    value: int = 0


def encode(program: Iterable[Instruction]) -> bytes:
    """The instructions as the kernel takes them."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def answer(action: int) -> Instruction:
    """The end of a program: this action."""
    return Instruction(_RETURN, value=action)


def fall_through(program: bytes, marker: int) -> bytes:
    """The program, but where it would answer `marker` it goes on behind its end."""
    steps = [Instruction(*fields) for fields in struct.iter_unpack("=HBBI", program)]
    for at, step in enumerate(steps):
        if step == answer(marker):
            steps[at] = Instruction(_JUMP, value=len(steps) - at - 1)
    return encode(steps)


def length(program: bytes) -> int:
    """Number of instructions."""
    return len(program) // _SIZE


def stretches(fates: Mapping[int, Fate], default: Fate, end: int) -> list[tuple[int, Fate]]:
    """Where in 0 to `end` the fate changes: each first number and what holds from there on."""
    found: list[tuple[int, Fate]] = []
    for number in range(end):
        fate = fates.get(number, default)
        if not found or found[-1][1] != fate:
            found.append((number, fate))
    return found


def head(architecture: int, foreign: Fate, table: Sequence[tuple[int, Fate]]) -> bytes:
    """The instructions that decide by the number; execution falls off their end into the tail.

    Args:
        architecture: AUDIT_ARCH_* that the table is for.
        foreign: fate of calls by any other.
        table: first number of each stretch in rising order, beginning with 0, and its fate.
    """
    body = _shared(table)
    if any(max(step.if_true, step.if_false) > _LONGEST_BRANCH for step in body):
        body = _local(table)
    stranger = Instruction(_JUMP, value=len(body) + 1) if foreign is None else answer(foreign)
    return encode(
        [
            Instruction(_LOAD, value=_ARCHITECTURE_AT),
            Instruction(_JUMP_EQUAL, if_true=1, value=architecture),
            stranger,
            Instruction(_LOAD, value=_NUMBER_AT),
            *body,
        ]
    )


def _shared(table: Sequence[tuple[int, Fate]]) -> list[Instruction]:
    """A search tree whose leaves are few and stand at its end: the shortest there is."""
    # a dict keeps the order; the tail, which is no instruction, comes last
    leaves = [fate for fate in dict.fromkeys(fate for _, fate in table) if fate is not None]
    nodes: list[
        tuple[int, int, int]
    ] = []  # value, where to go from it on and below: a node or ~leaf

    def leaf(fate: Fate) -> int:
        return ~(len(leaves) if fate is None else leaves.index(fate))

    def grow(low: int, high: int) -> int:
        if high - low == 1:
            return leaf(table[low][1])
        middle = (low + high) // 2
        at = len(nodes)
        nodes.append((0, 0, 0))
        below, above = grow(low, middle), grow(middle, high)
        nodes[at] = (table[middle][0], above, below)
        return at

    root = grow(0, len(table))
    steps = [
        Instruction(
            _JUMP_AT_LEAST,
            _distance(at, above, len(nodes)),
            _distance(at, below, len(nodes)),
            value,
        )
        for at, (value, above, below) in enumerate(nodes)
    ]
    if root < 0:  # a single stretch needs no node, only its leaf
        steps = [Instruction(_JUMP, value=~root)]
    return steps + [answer(fate) for fate in leaves]


def _distance(at: int, to: int, nodes: int) -> int:
    return (to if to >= 0 else nodes + ~to) - at - 1


def _local(table: Sequence[tuple[int, Fate]]) -> list[Instruction]:
    """A search tree with a leaf at every branch, for tables that a short branch does not span."""
    holes: list[int] = []

    def grow(low: int, high: int, at: int) -> list[Instruction]:
        if high - low == 1:
            fate = table[low][1]
            if fate is not None:
                return [answer(fate)]
            holes.append(at)
            return [Instruction(_JUMP)]
        middle = (low + high) // 2
        value = table[middle][0]
        below = grow(low, middle, at + 2)
        above = grow(middle, high, at + 2 + len(below))
        return [
            Instruction(_JUMP_AT_LEAST, if_false=1, value=value),
            Instruction(_JUMP, value=len(below)),
            *below,
            *above,
        ]

    steps = grow(0, len(table), 0)
    for at in holes:
        steps[at] = Instruction(_JUMP, value=len(steps) - at - 1)
    return steps
