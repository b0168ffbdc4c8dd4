"""Profiles from what was observed, without observing anything."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime import SpecError, seccomp
from runtime.seccomp import actions, learned, library, numbers
from runtime.seccomp.evaluate import evaluate
from runtime.seccomp.learn import ARGUMENTS, Observed, notifier
from runtime.seccomp.learned import learned_profile

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = library.native_architecture()
EVERY = [name for number in range(numbers.NEWEST + 1) if (name := numbers.name_of(number))]
ALLOW, EPERM = actions.ALLOW, actions.refuse(errno.EPERM)
SEEN = Observed(
    {"read": 3, "socket": 2, "clone": 1, "clone3": 1, "unshare": 1, "chroot": 1},
    {"socket": {1: 1, 16: 1}, "clone": {0x11: 1}, "unshare": {0x10000000: 1, 0x400: 1}},
    {470: 1},
)


def verdict(program: bytes, call: str, *args: int) -> int:
    number = numbers.number_of(call)
    assert number is not None
    return evaluate(program, NATIVE, number, args)


def compiled(observed: Observed, base: str | None = None) -> bytes:
    below = seccomp.find(base) if base else None
    return seccomp.compile_filter(learned_profile(observed, below)).program


def test_what_was_seen_is_allowed_with_the_arguments_seen() -> None:
    program = compiled(SEEN)
    for call in ("read", "chroot", "execve", "execveat", "exit_group", "rt_sigreturn"):
        assert verdict(program, call) == ALLOW
    assert verdict(program, "ptrace") == verdict(program, "mount") == EPERM
    assert verdict(program, "clone3") == actions.refuse(errno.ENOSYS)
    assert [family for family in range(46) if verdict(program, "socket", family) == ALLOW] == [
        1, 16,
    ]  # fmt: skip
    assert verdict(program, "clone", 0x3D0F00) == ALLOW
    assert verdict(program, "clone", 0x10000011) == EPERM
    assert verdict(program, "unshare", 0x10000000 | 0x200) == ALLOW
    assert verdict(program, "unshare", 0x10000000 | 0x20000) == EPERM
    assert verdict(program, "unshare", 0x80) == EPERM
    assert verdict(program, "setns", 0, 0) == EPERM


def test_the_init_can_do_its_work() -> None:
    program = compiled(Observed())
    for call in ("signalfd4", "wait4", "kill", "setpgid", "ioctl", "close_range"):
        assert verdict(program, call) == ALLOW
    assert verdict(program, "clone", 17) == ALLOW


observations = st.builds(
    Observed,
    st.dictionaries(st.sampled_from(EVERY), st.integers(1, 9), max_size=30),
    st.dictionaries(
        st.sampled_from([*ARGUMENTS]),
        st.dictionaries(
            st.integers(0, 45) | st.sampled_from([1 << bit for bit in range(32)]),
            st.integers(1, 9),
            min_size=1,
            max_size=5,
        ),
    ),
)
BASES: list[dict[str, Any]] = [
    {"defaultAction": "SCMP_ACT_KILL"},
    {
        "defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [
            {"names": ["read", "unshare", "socket", "personality"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["ioctl", "clone"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 17, "op": "SCMP_CMP_EQ"}]},
            {"names": ["socketpair"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 1, "value": 1, "op": "SCMP_CMP_EQ"}]},
            {"names": ["kill"], "action": "SCMP_ACT_LOG"},
        ],
    },
]  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(observations, st.sampled_from(["hardened", "default", *BASES]))
def test_nothing_is_learned_that_the_base_refuses(observed: Observed, base: Any) -> None:
    below = seccomp.find(base) if isinstance(base, str) else seccomp.parse(base)
    program = seccomp.compile_filter(below).program
    # only what the base lets through is ever seen
    let_through = {
        call: {
            value: count
            for value, count in values.items()
            if verdict(program, call, *[value] * (ARGUMENTS[call] + 1)) == ALLOW
        }
        for call, values in observed.arguments.items()
    }
    seen = Observed(observed.calls, let_through)
    result = seccomp.compile_filter(learned_profile(seen, below)).program
    values = [0, 1, 17, *(value for seen in observed.arguments.values() for value in seen)]
    for call in EVERY:
        for value in values if call in {*ARGUMENTS, "ioctl"} else values[:3]:
            if verdict(result, call, value, value) == ALLOW:
                assert verdict(program, call, value, value) == ALLOW, (call, value)


def test_the_reporting_filter_refuses_what_the_base_refuses_and_reports_the_rest() -> None:
    reporting = notifier(seccomp.find("default"))
    assert reporting.flags == 8 | 32
    assert verdict(reporting.program, "mount") == EPERM
    assert verdict(reporting.program, "read") == actions.NOTIFY
    assert verdict(reporting.program, "socket", 1) == actions.NOTIFY
    assert verdict(reporting.program, "socket", 38) == EPERM
    assert verdict(reporting.program, "clone3") == actions.refuse(errno.ENOSYS)
    everything = notifier()
    assert {verdict(everything.program, call) for call in EVERY} == {actions.NOTIFY}


def test_what_is_known_is_no_longer_reported_but_for_arguments_and_the_exec() -> None:
    known = Observed({"read": 1, "socket": 1, "execve": 1, "mount": 1})
    for base, mount in ((None, ALLOW), (seccomp.find("default"), EPERM)):
        program = notifier(base, known).program
        assert verdict(program, "read") == ALLOW
        assert verdict(program, "mount") == mount
        assert verdict(program, "write") == actions.NOTIFY
        assert verdict(program, "execve") == actions.NOTIFY
        assert verdict(program, "socket", 1) == actions.NOTIFY


def test_runs_are_put_together() -> None:
    other = Observed({"read": 1, "write": 2}, {"socket": {1: 1, 2: 5}}, {})
    both = SEEN.merged(other)
    assert both.calls["read"] == 4
    assert both.calls["write"] == 2
    assert both.arguments["socket"] == {1: 2, 2: 5, 16: 1}
    assert both.unknown == {470: 1}


def test_a_file_holds_where_it_comes_from_and_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "shell.json"
    profile = learned_profile(
        SEEN, seccomp.find("default"), name="shell", image="sha256:12", command=["sh", "-c", "x"]
    )
    learned.save(profile, file)
    assert learned.load(file) == profile
    value = json.loads(file.read_text())
    assert value["defaultAction"] == "SCMP_ACT_ERRNO"
    assert value["provenance"]["image"] == "sha256:12"
    assert value["provenance"]["command"] == ["sh", "-c", "x"]
    assert value["provenance"]["base"] == "default"
    assert value["provenance"]["calls"]["read"] == 3
    assert value["provenance"]["arguments"]["socket"] == {"1": 1, "16": 1}
    # other runtimes read the same file
    assert seccomp.compile_object(value).program == seccomp.compile_filter(profile).program
    assert seccomp.load_file(file, ())["syscalls"] == value["syscalls"]


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with pytest.raises(SpecError, match=r"x\.json: cannot be read"):
        learned.load(file)
    file.write_text('{"defaultAction": "SCMP_ACT_ERRNO", "provenance": 3}')
    with pytest.raises(SpecError, match=r"x\.json: seccomp\.provenance: 3 is not an object"):
        learned.load(file)


def test_a_list_of_refusals_is_no_base() -> None:
    base = seccomp.parse({"defaultAction": "SCMP_ACT_ALLOW"})
    for call in (lambda: notifier(base), lambda: learned_profile(Observed(), base)):
        with pytest.raises(SpecError, match="learn below an allow-list"):
            call()
