"""Device rules: v1's list and v2's program against one model of what the rules mean."""

from __future__ import annotations

import struct
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from runtime.cgroups import bpf, device_program, devices, files
from runtime.cgroups.devices import ACCESS, Policy
from runtime.spec import DeviceRule
from runtime.spec.devices import DEFAULT_DEVICES

LIMIT = 1000


def allowed(rules: list[DeviceRule], kind: str, major: int, minor: int, access: str) -> bool:
    """What the rules mean: each kind of access follows the last rule that names it."""
    for letter in access:
        verdict = False
        for rule in rules:
            if (
                rule.type in ("a", kind)
                and rule.major in (None, major)
                and rule.minor in (None, minor)
                and letter in rule.access
            ):
                verdict = rule.allow
        if not verdict:
            return False
    return True


def interpret(program: bytes, kind: str, major: int, minor: int, access: str) -> bool:
    """Run a program as the kernel would: 64-bit registers, one context of three words."""
    code = list(struct.iter_unpack("<BBhi", program))
    context = struct.pack(
        "<III",
        sum(ACCESS[letter] for letter in access) << 16 | {"b": 1, "c": 2}[kind],
        major,
        minor,
    )
    registers: list[Any] = [None] * 11
    registers[1] = "context"
    place = 0
    for _ in range(LIMIT):
        operation, both, offset, constant = code[place]
        target, source = both & 15, both >> 4
        constant &= (1 << 64) - 1
        place += 1
        if operation == device_program.LOAD_WORD:
            assert registers[source] == "context"
            (registers[target],) = struct.unpack_from("<I", context, offset)
        elif operation == device_program.MOVE:
            registers[target] = constant
        elif operation == device_program.MOVE_REGISTER:
            registers[target] = registers[source]
        elif operation == device_program.AND:
            registers[target] &= constant
        elif operation == device_program.SHIFT_RIGHT:
            registers[target] >>= constant
        elif operation == device_program.JUMP:
            place += offset
        elif operation == device_program.JUMP_NOT_EQUAL:
            place += offset if registers[target] != constant else 0
        elif operation == device_program.JUMP_ANY_BIT:
            place += offset if registers[target] & constant else 0
        else:
            assert operation == device_program.EXIT
            assert registers[0] in (0, 1)
            return bool(registers[0])
    raise AssertionError("the program does not end")


class LegacyList:
    """A v1 group's list, as security/device_cgroup.c keeps and asks it."""

    def __init__(self) -> None:
        self.default = True  # as its parent
        self.exceptions: dict[tuple[str, str, str], set[str]] = {}

    def write(self, name: str, text: str) -> None:
        allow = name == "devices.allow"
        if text == "a":
            self.default = allow
            self.exceptions.clear()
            return
        kind, numbers, access = text.split()
        major, minor = numbers.split(":")
        key = (kind, major, minor)
        if allow != self.default:
            self.exceptions.setdefault(key, set()).update(access)
        elif key in self.exceptions:
            self.exceptions[key] -= set(access)

    def allows(self, kind: str, major: int, minor: int, access: str) -> bool:
        found = [
            kinds
            for (k, a, b), kinds in self.exceptions.items()
            if k == kind and a in ("*", str(major)) and b in ("*", str(minor))
        ]
        if self.default:
            return not any(kinds & set(access) for kinds in found)
        return any(kinds >= set(access) for kinds in found)


numbers = st.one_of(st.none(), st.integers(0, 2))
kinds_of_access = st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"])
rules = st.builds(
    DeviceRule,
    allow=st.booleans(),
    type=st.sampled_from(["a", "b", "c"]),
    major=numbers,
    minor=numbers,
    access=kinds_of_access,
)
#: An open asks to read, to write or both; a mknod asks for that alone (devcgroup_check_permission).
requests = st.sampled_from(["r", "w", "rw", "m"])
asked = st.tuples(st.sampled_from("bc"), st.integers(0, 3), st.integers(0, 3), requests)


def policy(given: list[DeviceRule]) -> Policy:
    return devices.policy([asdict(rule) for rule in given])


@given(st.lists(rules, max_size=8), st.lists(asked, min_size=1, max_size=8))
@example([DeviceRule(allow=True), DeviceRule(allow=False, major=1)], [("c", 1, 1, "r")])
def test_program_does_what_the_rules_mean(
    listed: list[DeviceRule], questions: list[tuple[str, int, int, str]]
) -> None:
    program = device_program.assemble(policy(listed))
    assert len(program) % bpf.INSTRUCTION == 0
    for question in questions:
        assert interpret(program, *question) == allowed(listed, *question), question


@given(st.lists(rules, max_size=8), st.lists(asked, min_size=1, max_size=8))
def test_v1_list_does_what_the_rules_mean_or_is_refused(
    listed: list[DeviceRule], questions: list[tuple[str, int, int, str]]
) -> None:
    try:
        writes = devices.legacy_writes(policy(listed))
    except files.CgroupOSError:
        assume(False)  # noqa: FBT003  # as documented
        return
    group = LegacyList()
    for name, text in writes:
        group.write(name, text)
    for question in questions:
        assert group.allows(*question) == allowed(listed, *question), (question, writes)


def test_v1_refuses_a_hole_in_a_wildcard_that_it_could_not_keep() -> None:
    hole = [
        DeviceRule(allow=True, type="c", major=1),
        DeviceRule(allow=False, type="c", major=1, minor=3),
    ]
    with pytest.raises(
        files.CgroupOSError, match=r"cannot take 'c 1:3 rwm' out of .* 'c 1:\* rwm'"
    ):
        devices.legacy_writes(policy(hole))


def test_v1_joins_what_one_open_needs() -> None:
    parts = [
        DeviceRule(allow=True, type="c", major=1, access="r"),
        DeviceRule(allow=True, type="c", major=1, minor=3, access="w"),
    ]
    assert ("devices.allow", "c 1:3 rw") in devices.legacy_writes(policy(parts))


@pytest.mark.parametrize(
    "wrong", [{"type": "p"}, {"type": ""}, {"access": ""}, {"access": "x"}, {"access": "rwmx"}]
)
def test_rules_that_cannot_be_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(files.CgroupOSError, match="device rule"):
        policy([DeviceRule(allow=True, **wrong)])


@pytest.mark.parametrize(
    ("device", "access", "expected"),
    [
        (("c", 1, 3), "rw", True),
        (("c", 5, 2), "rw", True),
        (("c", 136, 77), "rw", True),
        (("c", 1, 3), "m", False),
        (("c", 1, 1), "r", False),  # mem
        (("c", 1, 11), "w", False),  # kmsg
        (("c", 5, 1), "w", False),  # console
        (("b", 1, 3), "r", False),
        (("b", 8, 0), "r", False),
    ],
)
def test_default_devices(device: tuple[str, int, int], access: str, *, expected: bool) -> None:
    wanted = policy(list(DEFAULT_DEVICES))
    assert interpret(device_program.assemble(wanted), *device, access) is expected
    group = LegacyList()
    for name, text in devices.legacy_writes(wanted):
        group.write(name, text)
    assert group.allows(*device, access) is expected
