"""What a process that enters a container gives up before anybody inside can see it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from runtime.errors import SetupError
from runtime.plan import builder, entering
from runtime.seccomp import compile_object, compile_profile
from runtime.spec import profiles

if TYPE_CHECKING:
    from pathlib import Path

    from runtime import Spec

ONLY_EXEC = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ALLOW"}],
}


def spec_with(tmp_path: Path, *capabilities: str, no_new_privileges: bool = False) -> Spec:
    spec = profiles.docker_like(rootfs=tmp_path, args=["true"])
    process = replace(spec.process, capabilities=capabilities, no_new_privileges=no_new_privileges)
    return replace(spec, process=process)


def order(spec: Spec, *, filter_first: bool) -> list[str]:
    steps = builder.execute(spec, spec.process, filter_first=filter_first)
    return [type(step).__name__ for step in steps]


def test_privileges_go_before_the_birth_inside(tmp_path: Path) -> None:
    found = order(spec_with(tmp_path, no_new_privileges=True), filter_first=False)
    birth = found.index("BeBorn")
    given_up = ("NoNewPrivileges", "BoundCapabilities", "SetCapabilities")
    assert max(found.index(name) for name in given_up) < birth < found.index("Filter")


def test_a_filter_that_takes_a_privilege_is_loaded_before_it_too(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, "CAP_SYS_PTRACE")
    assert entering.filter_comes_first(spec, spec.process, compile_profile("docker-like"))
    steps = builder.execute(spec, spec.process, filter_first=True)
    names = [type(step).__name__ for step in steps]
    assert names.index("Filter") < names.index("BeBorn")
    # the privilege goes with it
    last = max(at for at, name in enumerate(names) if name == "SetCapabilities")
    assert names.index("Filter") < last < names.index("BeBorn")
    assert steps[last].wire()[1] == 1 << 19


def test_a_filter_that_would_stop_who_enters_is_refused_to_a_tracer(tmp_path: Path) -> None:
    program = compile_object(ONLY_EXEC).program
    spec = spec_with(tmp_path, "CAP_CHOWN")
    assert not entering.filter_comes_first(spec, spec.process, program)
    spec = spec_with(tmp_path, "CAP_CHOWN", "CAP_SYS_PTRACE")
    with pytest.raises(SetupError, match=r"refuses capset, prctl, clone, .*noNewPrivileges"):
        entering.filter_comes_first(spec, spec.process, program)
