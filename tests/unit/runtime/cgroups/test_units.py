"""Names and properties of containers' scopes, and what is said to systemd and by it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cgroups import files, systemd, units

if TYPE_CHECKING:
    from pathlib import Path

BUSCTL = """#!/bin/sh
[ -n "$FAIL" ] && { echo "Call failed: Unit x.scope already exists. (consider that)" >&2; exit 1; }
printf '%s\\n' "$@" > "$LOG"
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("machine.slice:libpod:abc", ("machine.slice", "libpod-abc.scope")),
        ("kubepods-besteffort-pod1.slice:cri-containerd:c", (
            "kubepods-besteffort-pod1.slice", "cri-containerd-c.scope"
        )),
        (":docker:c", ("", "docker-c.scope")),
        ("a.slice::c", ("a.slice", "c.scope")),
        ("", ("", "tare-oci-id.scope")),
    ],
)  # fmt: skip
def test_scopes_are_named_as_runc_names_them(path: str, found: tuple[str, str]) -> None:
    assert units.unit(path, "id") == found


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/a/b", "is not slice:prefix:name"),
        ("a.slice:b", "is not slice:prefix:name"),
        ("a.slice:b:", "is not slice:prefix:name"),
        ("../a.slice:b:c", "is not slice:prefix:name"),
        ("a:b:c", "is no slice"),
        (":b:" + 300 * "c", "is longer than"),
    ],
)
def test_what_names_no_scope_is_refused(path: str, said: str) -> None:
    with pytest.raises(files.CgroupOSError, match=said):
        units.unit(path, "id")


@given(st.text(max_size=40))
def test_any_text_names_a_scope_or_is_refused(path: str) -> None:
    try:
        _, name = units.unit(path, "id")
    except files.CgroupOSError:
        return
    assert name.endswith(".scope")
    assert not set(name) & set("/\0\n ")


def test_limits_become_properties() -> None:
    found = units.properties(
        {"memory_limit_bytes": 1 << 20, "memory_swap_bytes": -1, "cpus": 0.503, "pids_limit": 9,
         "cpu_weight": 50, "devices": ({"allow": False},)}
    )  # fmt: skip
    assert {name: values for name, _, values in found} == {
        "MemoryMax": ("1048576",),
        "MemorySwapMax": (systemd.UNLIMITED,),
        "TasksMax": ("9",),
        "CPUWeight": ("50",),
        "CPUQuotaPerSecUSec": ("510000",),
        "CPUQuotaPeriodUSec": ("100000",),
    }
    assert units.properties({}) == []


@pytest.fixture
def busctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "busctl"
    program.write_text(BUSCTL)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    monkeypatch.setattr(systemd, "_PRIVATE", str(tmp_path))
    return tmp_path / "log"


def test_systemd_is_told_what_is_wanted(busctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_group_of", lambda _: "/a.slice/x.scope")
    wanted: list[systemd.Property] = [("MemoryMax", "t", ("7",))]
    group = systemd.start_scope("x.scope", 42, "some words", slice_="a.slice", properties=wanted)
    assert group == "/a.slice/x.scope"
    words = busctl.read_text().splitlines()
    assert words[0] == "--system"
    assert words[words.index("StartTransientUnit") :] == [
        "StartTransientUnit", "ssa(sv)a(sa(sv))", "x.scope", "fail", "6",
        "Description", "s", "some words", "PIDs", "au", "1", "42", "Delegate", "b", "true",
        "CollectMode", "s", "inactive-or-failed", "Slice", "s", "a.slice", "MemoryMax", "t", "7",
        "0",
    ]  # fmt: skip


def test_what_systemd_refuses_is_said_in_its_words(
    busctl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not busctl.exists()
    monkeypatch.setenv("FAIL", "1")
    with pytest.raises(files.CgroupOSError) as refused:
        systemd.set_properties("x.scope", ())
    assert refused.value.strerror == (
        "systemd refuses SetUnitProperties: Unit x.scope already exists"
    )


def test_without_busctl_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "_PRIVATE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(files.CgroupOSError, match="busctl, which is needed"):
        systemd.set_properties("x.scope", ())


def test_a_user_without_a_manager_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(systemd, "_PRIVATE", str(tmp_path / "none"))
    monkeypatch.setattr("os.geteuid", lambda: 4321)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(files.CgroupOSError, match="loginctl enable-linger"):
        systemd.set_properties("x.scope", ())


def test_a_holder_ends_with_its_scope(busctl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    def group_of(pid: int) -> str:
        held.append(pid)
        return "/x.scope"

    monkeypatch.setattr(systemd, "_group_of", group_of)
    scope = systemd.Scope("x.scope", "words")
    assert scope.group == "/x.scope"
    assert str(held[0]) in busctl.read_text().splitlines()
    scope.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(held[0], 0)
    scope.close()
