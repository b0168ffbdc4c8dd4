"""A device policy as a program for BPF_PROG_TYPE_CGROUP_DEVICE, for cgroup v2.

The kernel runs it whenever a process of the group opens or makes a device node, with a context of
three words, (access << 16 | type), major and minor; 1 allows the access (struct bpf_cgroup_dev_ctx
in include/uapi/linux/bpf.h).

Rules are asked from the last to the first. One that allows takes its kinds of access off those
still in question; one that refuses ends it where any of its kinds is still in question. So every
kind of access follows the last rule that names it, as in a list where later rules win.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

from runtime.cgroups import bpf
from runtime.cgroups.files import CgroupOSError

if TYPE_CHECKING:
    from runtime.cgroups.devices import Policy, Rule

#: What the kernel lists our programs as (bpftool prog).
NAME = "tare_devices"
_TYPES = {"b": 1, "c": 2}
# Registers: the result, the context; what is asked for, kept by us.
_RESULT, _CONTEXT, _ACCESS, _TYPE, _MAJOR, _MINOR = range(6)
# Operations, on a constant where there is a choice (Documentation/bpf/standardization).
LOAD_WORD = 0x61  # BPF_LDX | BPF_MEM | BPF_W
MOVE, MOVE_REGISTER = 0xB7, 0xBF
AND, SHIFT_RIGHT = 0x57, 0x77
JUMP, JUMP_NOT_EQUAL, JUMP_ANY_BIT = 0x05, 0x55, 0x45
EXIT = 0x95


def assemble(policy: Policy) -> bytes:
    """The program that enforces a policy, as an array of struct bpf_insn."""
    code = [
        _instruction(LOAD_WORD, _ACCESS, _CONTEXT),
        _instruction(MOVE_REGISTER, _TYPE, _ACCESS),
        _instruction(AND, _TYPE, constant=0xFFFF),
        _instruction(SHIFT_RIGHT, _ACCESS, constant=16),
        _instruction(LOAD_WORD, _MAJOR, _CONTEXT, offset=4),
        _instruction(LOAD_WORD, _MINOR, _CONTEXT, offset=8),
        _instruction(MOVE, _RESULT, constant=0),
    ]
    for rule in reversed(policy.rules):
        code += _rule(rule)
    code += [_instruction(MOVE, _RESULT, constant=int(policy.default)), _instruction(EXIT)]
    return b"".join(code)


def _rule(rule: Rule) -> list[bytes]:
    """Test one rule; falls through to the next one where it decides nothing."""
    if rule.allow:
        then = [
            _instruction(AND, _ACCESS, constant=~rule.access),
            _instruction(JUMP_NOT_EQUAL, _ACCESS, constant=0, offset=2),
            _instruction(MOVE, _RESULT, constant=1),
            _instruction(EXIT),
        ]
    else:
        then = [
            _instruction(JUMP_ANY_BIT, _ACCESS, constant=rule.access, offset=1),
            _instruction(JUMP, offset=1),
            _instruction(EXIT),
        ]
    tests = [(_TYPE, _TYPES[rule.type])]
    tests += [(_MAJOR, rule.major)] if rule.major is not None else []
    tests += [(_MINOR, rule.minor)] if rule.minor is not None else []
    past = len(tests) + len(then)
    return [
        _instruction(JUMP_NOT_EQUAL, register, constant=number, offset=past - place - 1)
        for place, (register, number) in enumerate(tests)
    ] + then


def _instruction(
    operation: int, target: int = 0, source: int = 0, *, offset: int = 0, constant: int = 0
) -> bytes:
    # both registers share one byte: the target in its lower half, as machines of this order do
    return struct.pack("<BBhi", operation, target | source << 4, offset, constant)


def enforce(folder: str, policy: Policy, *, fresh: bool) -> None:
    """Have a group refuse what the policy refuses, in place of an earlier policy.

    The earlier program goes after the later has come: nothing is allowed in between that either
    refuses. The kernel drops the program with the group.

    Args:
        folder: of the group.
        policy: the rules.
        fresh: whether the group has just been made and so has no earlier policy.

    Raises:
        CgroupOSError: naming the group; EPERM where this user may not load programs.
    """
    try:
        group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _replace(group, assemble(policy), [] if fresh else bpf.attached(group, NAME))
        finally:
            os.close(group)
    except OSError as error:
        raise CgroupOSError(
            error.errno,
            f"limit the devices of {folder} by a BPF program: {error.strerror}; it takes CAP_BPF "
            "in the host's user namespace and a kernel with CONFIG_CGROUP_BPF",
        ) from error


def _replace(group: int, program: bytes, earlier: list[int]) -> None:
    try:
        later = bpf.load(program, NAME)
        try:
            bpf.attach(group, later)
        finally:
            os.close(later)
        for descriptor in earlier:
            bpf.detach(group, descriptor)
    finally:
        for descriptor in earlier:
            os.close(descriptor)
