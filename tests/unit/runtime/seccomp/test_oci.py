"""Random objects, compiled and interpreted, against what the object says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runtime import SpecError, seccomp
from runtime.seccomp import actions, library, numbers
from runtime.seccomp.evaluate import evaluate
from tests.unit.runtime.seccomp import reference

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE = library.native_architecture()
CALLS = ("read", "close", "getpid", "clone", "socket", "ioctl", "openat", "kill", "file_setattr")
ACTIONS = (*actions.BY_NAME,)
#: Values near which comparisons go wrong: signs, and the border between the two words.
EDGES = (0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 32, (1 << 32) + 1, (1 << 64) - 1)
values = st.sampled_from(EDGES) | st.integers(0, (1 << 64) - 1)
conditions = st.builds(
    lambda index, value, second, op: {
        "index": index, "value": value, "valueTwo": second, "op": op,
    },
    st.integers(0, 5),
    values,
    values,
    st.sampled_from(library.OPERATORS),
)  # fmt: skip


rules = st.builds(
    lambda name, action, args: {"names": [name, "no_such_call"], "action": action, "args": args},
    st.sampled_from(CALLS),
    st.sampled_from(ACTIONS),
    st.lists(conditions, max_size=3),
)


@st.composite
def objects(draw: Callable[[Any], Any]) -> dict[str, Any]:
    default = draw(st.sampled_from(ACTIONS))
    value: dict[str, Any] = {"defaultAction": default, "listenerPath": "/run/agent"}
    if default in actions.LARGEST_NUMBER and draw(st.booleans()):
        value["defaultErrnoRet"] = draw(st.integers(0, actions.LARGEST_NUMBER[default]))
    return value | {"syscalls": draw(st.lists(rules, max_size=12))}


@settings(max_examples=60, deadline=None)
@given(objects(), st.lists(st.lists(values, min_size=6, max_size=6), min_size=1, max_size=4))
def test_the_program_does_what_the_object_says(
    value: dict[str, Any], arguments: list[list[int]]
) -> None:
    try:
        program = seccomp.compile_object(value).program
    except SpecError as error:
        assume("and another action" not in str(error))
        raise
    edges = {entry["value"] for rule in value["syscalls"] for entry in rule["args"]}
    for args in [*arguments, *([edge] * 6 for edge in edges)]:
        for name in (*CALLS, "write"):
            number = numbers.number_of(name)
            assert number is not None
            found = evaluate(program, NATIVE, number, args)
            assert found == reference.answer(value, name, args), (name, args)
    for number in (numbers.NEWEST + 1, 1023):
        assert evaluate(program, NATIVE, number) == reference.beyond(value)


@settings(max_examples=60, deadline=None)
@given(objects())
def test_what_is_read_is_written_again(value: dict[str, Any]) -> None:
    profile = seccomp.parse(value)
    assert seccomp.parse(seccomp.to_object(profile)) == profile


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 460)), st.sampled_from(ACTIONS))
def test_tables_of_any_shape_fit(allowed: set[int], action: str) -> None:
    names = [name for number in allowed if (name := numbers.name_of(number))]
    rules = [{"names": names, "action": action}] if names else []
    value = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules, "listenerPath": "/run/agent"}
    program = seccomp.compile_object(value).program
    for number in range(numbers.NEWEST + 1):
        name = numbers.name_of(number) or "no_such_call"
        assert evaluate(program, NATIVE, number) == reference.answer(value, name, ())


def test_a_table_too_wide_for_short_branches_fits() -> None:
    names = [name for number in range(0, numbers.NEWEST, 2) if (name := numbers.name_of(number))]
    actions_of = {name: ACTIONS[at % len(ACTIONS)] for at, name in enumerate(names)}
    value = {
        "defaultAction": "SCMP_ACT_TRAP",
        "listenerPath": "/run/agent",
        "syscalls": [{"names": [name], "action": action} for name, action in actions_of.items()],
    }
    program = seccomp.compile_object(value).program
    for number in range(numbers.NEWEST + 1):
        name = numbers.name_of(number) or "no_such_call"
        assert evaluate(program, NATIVE, number) == reference.answer(value, name, ())


@pytest.mark.parametrize(
    ("unions", "allowed", "refused"),
    [
        ([[("LT", 0, 5)], [("LT", 0, 1 << 32)]], [(4,), (6,)], [(1 << 32,)]),
        (
            [[("EQ", 0, 0)], [("EQ", 0, (1 << 32) + 1)], [("LE", 0, 2)], [("GT", 0, 1 << 32)]],
            [(0,), (2,), ((1 << 32) + 1,), (1 << 40,)],
            [(3,), ((1 << 31) - 1,), (1 << 32,)],
        ),
        (
            [[("EQ", 1, 7), ("LE", 0, 2)], [("LE", 0, 2), ("NE", 1, 1 << 32)]],
            [(2, 7), (1, 8)],
            [(3, 7), (2, 1 << 32)],
        ),
    ],
)
def test_what_libseccomp_merges_wrongly_or_never_is_right(
    unions: list[list[tuple[str, int, int]]],
    allowed: list[tuple[int, ...]],
    refused: list[tuple[int, ...]],
) -> None:
    rules_ = [
        {
            "names": ["read"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{"op": f"SCMP_CMP_{op}", "index": at, "value": v} for op, at, v in union],
        }
        for union in unions
    ]
    value = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules_}
    program, number = seccomp.compile_object(value).program, numbers.number_of("read")
    assert number is not None
    for args in allowed:
        assert evaluate(program, NATIVE, number, args) == actions.ALLOW, args
    for args in refused:
        assert evaluate(program, NATIVE, number, args) == 0x50001, args


def allow(**changes: Any) -> dict[str, Any]:
    rule = {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    return {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule | changes]}


def condition(**changes: Any) -> dict[str, Any]:
    return {"index": 0, "value": 1, "op": "SCMP_CMP_EQ"} | changes


WRONG = {
    "linux.seccomp.defaultAction: is missing": {},
    "linux.seccomp.defaultAction: 'ALLOW' is none of": {"defaultAction": "ALLOW"},
    "linux.seccomp.defaultErrnoRet: SCMP_ACT_KILL takes no error number": {
        "defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1,
    },
    "linux.seccomp.defaultErrnoRet: 4095 is not from 0 to 4094": {
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4095,
    },
    "linux.seccomp.architectures[1]: 'X86' is none of": {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86", "X86"],
    },
    "linux.seccomp.flags[0]: 'FAST' is none of": {
        "defaultAction": "SCMP_ACT_ALLOW", "flags": ["FAST"],
    },
    "linux.seccomp.listenerPath: is missing": {"defaultAction": "SCMP_ACT_NOTIFY"},
    "linux.seccomp.listenerMetadata: needs a listenerPath": {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x",
    },
    "linux.seccomp.syscalls: {} is not a list": {
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": {},
    },
    "linux.seccomp.syscalls[0]: 'read' is not an object": {
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": ["read"],
    },
    "linux.seccomp.syscalls[0].names: is empty": allow(names=[]),
    "linux.seccomp.syscalls[0].names[1]: 3 is not a string": allow(names=["read", 3]),
    "linux.seccomp.syscalls[0].action: None is not": None,
    "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_ALLOW takes no error number": allow(errnoRet=1),
    "linux.seccomp.syscalls[0].errnoRet: -1 is not from 0 to 4094": allow(
        action="SCMP_ACT_ERRNO", errnoRet=-1
    ),
    "linux.seccomp.syscalls[0].args[0].index: 6 is not from 0 to 5": allow(
        args=[condition(index=6)]
    ),
    "linux.seccomp.syscalls[0].args[1].op: 'EQ' is none of": allow(
        args=[condition(), condition(op="EQ")]
    ),
    "linux.seccomp.syscalls[0].args[0].value: is missing": allow(args=[condition(value=None)]),
    "linux.seccomp.syscalls[0].args[0].value: True is not a whole number": allow(
        args=[condition(value=True)]
    ),
    "linux.seccomp.syscalls[0].args[0].valueTwo: 18446744073709551616 is not from": allow(
        args=[condition(valueTwo=1 << 64)]
    ),
}  # fmt: skip
WRONG = {message: value for message, value in WRONG.items() if value is not None}


@pytest.mark.parametrize("message", WRONG)
def test_mistakes_are_named_with_their_place(message: str) -> None:
    with pytest.raises(SpecError) as caught:
        seccomp.compile_object(WRONG[message])
    assert str(caught.value).startswith(message)


def test_a_contradiction_is_named() -> None:
    value = allow(args=[condition()])
    value["syscalls"].append(
        {"names": ["write", "read"], "action": "SCMP_ACT_KILL", "args": [condition()]}
    )
    with pytest.raises(
        SpecError, match=r"syscalls\[1\]: .* conditions of syscalls\[0\] for read and another"
    ):
        seccomp.compile_object(value)


def test_flags_are_those_that_the_kernel_takes() -> None:
    every = [
        "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ]  # fmt: skip
    assert seccomp.compile_object(allow()).flags == 4
    assert seccomp.compile_object(allow() | {"flags": []}).flags == 0
    assert seccomp.compile_object(allow() | {"flags": every}).flags == 1 | 2 | 4
    notifying = allow(action="SCMP_ACT_NOTIFY") | {"listenerPath": "/a", "listenerMetadata": "m"}
    compiled = seccomp.compile_object(notifying | {"flags": every})
    assert compiled.flags == 2 | 4 | 8 | 32
    assert (compiled.listener_path, compiled.listener_metadata) == ("/a", "m")


@pytest.mark.skipif(NATIVE != 0xC000003E, reason="the other entries exist on x86-64 only")
class TestOtherEntries:
    """Of x86: the 32-bit one, where getpid is 20, and x32, where it is 39 and a bit."""

    I386, X32 = (0x40000003, 20), (0xC000003E, 0x40000000 | 39)

    @pytest.mark.parametrize("entry", [I386, X32])
    def test_are_refused_where_the_object_does_not_list_them(self, entry: tuple[int, int]) -> None:
        for default in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL"):
            value = {"defaultAction": default}
            value |= {"syscalls": [{"names": ["getpid"], "action": "SCMP_ACT_ALLOW"}]}
            refused = actions.BY_NAME["SCMP_ACT_KILL"] if "KILL" in default else 0x50001
            assert evaluate(seccomp.compile_object(value).program, *entry) == refused

    def test_follow_the_rules_where_it_does(self) -> None:
        value = allow(names=["getpid", "socketcall"]) | {
            "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
        }
        program = seccomp.compile_object(value).program
        for entry in (self.I386, self.X32, (NATIVE, 39), (self.I386[0], 102)):
            assert evaluate(program, *entry) == actions.ALLOW
        for arch, number in ((self.I386[0], 21), (NATIVE, 0x40000000 | 165), (NATIVE, 165)):
            assert evaluate(program, arch, number) == 0x50001

    def test_of_another_byte_order_are_named(self) -> None:
        with pytest.raises(SpecError, match=r"architectures: SCMP_ARCH_S390X cannot stand"):
            seccomp.compile_object(allow() | {"architectures": ["SCMP_ARCH_S390X"]})
