"""Profile files as people have them on disk."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from runtime import SpecError, seccomp
from runtime.seccomp import actions, library, numbers
from runtime.seccomp.evaluate import evaluate
from runtime.spec import capabilities

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
ARCHITECTURE = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}[os.uname().machine]
NATIVE = library.native_architecture()


def load(folder: Path, value: Any, caps: tuple[str, ...] = capabilities.PODMAN) -> dict[str, Any]:
    file = folder / "seccomp.json"
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return seccomp.load_file(file, caps)


def rules(folder: Path, caps: tuple[str, ...] = (), **conditions: Any) -> list[Any]:
    rule = {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": [], "comment": "x"}
    value = {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [rule | conditions]}
    chosen: list[Any] = load(folder, value, caps)["syscalls"]
    return chosen


ADMIN = ("CAP_SYS_ADMIN", "CAP_SYS_TIME")


@pytest.mark.parametrize(
    ("conditions", "chosen"),
    [
        ({}, True),
        ({"includes": None, "excludes": {}}, True),
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}}, True),
        ({"includes": {"caps": ["CAP_SYS_ADMIN", "CAP_BPF"]}}, False),
        ({"excludes": {"caps": ["CAP_BPF", "CAP_SYS_TIME"]}}, False),
        ({"excludes": {"caps": ["CAP_BPF"]}}, True),
        ({"includes": {"arches": ["mips", MACHINE]}}, True),
        ({"includes": {"arches": ["mips"]}}, False),
        ({"excludes": {"arches": [MACHINE]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "99.1"}}, False),
        ({"excludes": {"minKernel": "4.8"}}, False),
        ({"includes": {"caps": ["CAP_SYS_ADMIN"]}, "excludes": {"arches": [MACHINE]}}, False),
    ],
)
def test_rules_are_chosen(tmp_path: Path, conditions: dict[str, Any], *, chosen: bool) -> None:
    found = rules(tmp_path, ADMIN, **conditions)
    assert found == ([{"names": ["mount"], "action": "SCMP_ACT_ALLOW"}] if chosen else [])


def test_the_old_and_podmans_spellings_are_read(tmp_path: Path) -> None:
    value = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrno": "ENOSYS",
        "archMap": [
            {"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_S390"]},
            {"architecture": ARCHITECTURE, "subArchitectures": None},
        ],
        "syscalls": [{"name": "mount", "action": "SCMP_ACT_ERRNO", "errno": "EINVAL"}],
    }
    assert load(tmp_path, value) == {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 38,
        "architectures": [ARCHITECTURE],
        "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO", "errnoRet": 22}],
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no JSON object"),
        ({"syscalls": []}, "seccomp.defaultAction: is missing"),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{}], "architectures": [ARCHITECTURE]},
            "seccomp.archMap: stands beside architectures",
        ),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_LOG"},
                {"names": ["read"], "action": "SCMP_ACT_LOG", "includes": {"distro": ["x"]}},
            ]},
            "seccomp.syscalls[1].includes: distro is not known",
        ),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["a"], "action": "SCMP_ACT_KILL", "includes": {"arches": ["mips"]},
                 "args": [{"index": 9, "value": 0, "op": "SCMP_CMP_EQ"}]},
            ]},
            "seccomp.syscalls[0].args[0].index: 9 is not",
        ),
        (
            {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
                {"names": ["read"], "action": "SCMP_ACT_ERRNO", "errno": "EMADEUP"},
            ]},
            "seccomp.syscalls[0].errno: 'EMADEUP' is no error",
        ),
    ],
)  # fmt: skip
def test_mistakes_name_the_file_and_the_place(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, value)
    assert str(caught.value).startswith(f"{tmp_path}/seccomp.json: {message}")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.json: cannot be read: No such file"):
        seccomp.load_file(tmp_path / "none.json", ())


def test_a_whole_profile_of_that_kind_compiles(tmp_path: Path) -> None:
    """The parts that Docker's own has: by family, by capability, by number of the argument."""
    value = {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64",
             "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
        ],
        "syscalls": [
            {"names": ["read", "socketcall", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 12, "op": "SCMP_CMP_LT"}]},
            {"names": ["socket"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}]},
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW",
             "args": [{"index": 0, "value": 2114060288, "op": "SCMP_CMP_MASKED_EQ"}],
             "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
            {"names": ["clone", "mount"], "action": "SCMP_ACT_ALLOW",
             "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        ],
    }  # fmt: skip

    def verdicts(caps: tuple[str, ...]) -> list[bool]:
        program = seccomp.compile_object(load(tmp_path, value, caps)).program
        asked = [("socket", 11), ("socket", 12), ("socket", 16), ("socket", 38),
                 ("clone", 17), ("clone", 1 << 28), ("mount", 0), ("read", 0)]  # fmt: skip
        return [
            evaluate(program, NATIVE, numbers.number_of(call) or 0, (arg,)) == actions.ALLOW
            for call, arg in asked
        ]

    assert verdicts(()) == [True, False, True, False, True, False, False, True]
    assert verdicts(("CAP_SYS_ADMIN",)) == [True, False, True, False, True, True, True, True]
