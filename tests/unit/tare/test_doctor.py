"""The doctor's conclusions, on made-up findings, and how they are shown."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from rich.console import Console

from benchmarks.host import fingerprint
from tare import doctor
from tare.doctor import Check, Diagnosis, State, abilities, disturbances, render
from tare.errors import ExitCode
from tests.framework.posed_hosts import pose

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check(identifier: str, state: State = State.OK, **more: Any) -> Check:
    values = {"title": identifier.upper(), "found": "as it should be", "how": "looked"}
    return Check(id=identifier, state=state, **(values | more))


NEEDED = ("root", "namespaces", "overlay", "seccomp", "qemu", "libvirt", "accelerator", "image")
ALL_WELL = {name: check(name) for name in NEEDED}


def test_where_all_is_well_everything_can_run() -> None:
    assert doctor.decide(ALL_WELL) == {"native": True, "container": True, "vm": True}


@pytest.mark.parametrize(
    ("failing", "stopped"),
    [
        ("qemu", {"vm"}),
        ("libvirt", {"vm"}),
        ("accelerator", {"vm"}),
        ("seccomp", {"container"}),
        ("namespaces", {"native", "container"}),
        ("image", {"native", "container", "vm"}),
    ],
)
def test_what_is_missing_stops_what_needs_it(failing: str, stopped: set[str]) -> None:
    found = doctor.decide(ALL_WELL | {failing: check(failing, State.FAIL, found="gone")})
    assert {name for name, answer in found.items() if answer is not True} == stopped
    assert {found[name] for name in stopped} == {f"{failing.upper()}: gone"}


def test_a_warning_stops_nothing() -> None:
    found = doctor.decide(ALL_WELL | {"accelerator": check("accelerator", State.WARN)})
    assert found["vm"] is True


def test_without_root_that_is_the_only_reason_named() -> None:
    failed = {name: check(name, State.FAIL, found="refused") for name in ("root", "namespaces")}
    assert doctor.decide(ALL_WELL | failed)["native"] == "ROOT: refused"


TRIED = dict.fromkeys(
    ("pid", "uts", "mount", "ipc", "network", "cgroup", "user", "time", "overlay", "seccomp"), "ok"
)


@pytest.mark.parametrize(
    ("answers", "state"),
    [({}, State.OK), ({"user": "EPERM"}, State.WARN), ({"network": "EINVAL"}, State.FAIL)],
)
def test_namespaces(answers: dict[str, str], state: State) -> None:
    found = abilities.namespaces(TRIED | answers)
    assert found.state is state
    assert all(f"{name} {errno}" in found.found for name, errno in answers.items())


def test_a_trial_that_did_not_run_is_no_success() -> None:
    assert abilities.namespaces({}).state is State.FAIL
    assert abilities.overlay({}).state is State.FAIL
    assert abilities.seccomp({}, "libseccomp.so.2").state is State.FAIL


def accelerator(name: str, verdict: str, ratio: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(name=name, verdict=verdict, ratio=ratio, reason="because")


@pytest.mark.parametrize(
    ("audited", "state"),
    [
        ([accelerator("kvm", "accelerates", 1.0), accelerator("tcg", "emulates", 0.1)], State.OK),
        ([accelerator("kvm", "emulates", 4e-4), accelerator("tcg", "emulates", 0.1)], State.WARN),
        ([accelerator("kvm", "emulates", 4e-4), accelerator("tcg", "unusable")], State.FAIL),
    ],
)
def test_an_accelerator_is_judged_by_its_speed(audited: list[Any], state: State) -> None:
    assert abilities.judge_accelerators(audited, "counted").state is state


def test_missing_programs_are_failures_with_advice() -> None:
    found = abilities.qemu(None)
    assert found.state is State.FAIL
    assert found.advice


def test_an_architecture_without_vms_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    for found in (abilities.qemu(None), abilities.accelerator()):
        assert found.state is State.FAIL
        assert "VMs are driven on x86-64 and arm64, not on riscv64" in found.found


def test_an_arm64_host_is_asked_for_its_own_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    found = abilities.qemu(None)
    assert found.found == "qemu-system-aarch64 is not installed"


def test_missing_root_is_a_failure() -> None:
    assert abilities.root(1000).state is State.FAIL
    assert abilities.root(0).state is State.OK


@pytest.mark.parametrize(
    ("judge", "facts", "state"),
    [
        (disturbances.governor, {"governor": "performance"}, State.OK),
        (disturbances.governor, {"governor": "powersave"}, State.WARN),
        (disturbances.governor, {"governor": None}, State.INFO),
        (disturbances.preference, {"epp": "power", "platform_profile": None}, State.WARN),
        (disturbances.preference, {"epp": "performance", "platform_profile": None}, State.OK),
        (disturbances.preference, {"epp": None, "platform_profile": "balanced"}, State.WARN),
        (disturbances.preference, {"epp": None, "platform_profile": None}, State.INFO),
        (disturbances.supply, {"power": "battery"}, State.WARN),
        (disturbances.supply, {"power": None}, State.INFO),
        (disturbances.turbo, {"turbo": True}, State.WARN),
        (disturbances.smt, {"smt": True}, State.WARN),
        (disturbances.smt, {"smt": False}, State.OK),
        (disturbances.ksm, {"ksm": True}, State.WARN),
        (disturbances.thp, {"thp": "always"}, State.WARN),
        (disturbances.swap, {"swap_total_bytes": 1 << 30, "swap_free_bytes": 0}, State.WARN),
        (disturbances.swap, {"swap_total_bytes": 0, "swap_free_bytes": 0}, State.OK),
    ],
)
def test_a_setting_that_spoils_numbers_is_warned_of(
    judge: Callable[[Any], Check], facts: dict[str, Any], state: State
) -> None:
    found = judge(facts)
    assert found.state is state
    assert bool(found.advice) == (state is State.WARN)


QUIET = fingerprint.Conditions(
    at_ns=0,
    cpus=2,
    load1=0.0,
    runnable=0,
    cpu_ticks=1000,
    steal_ticks=0,
    psi_us={"cpu": 0},
    mem_available_bytes=4 << 30,
    mem_total_bytes=8 << 30,
    swap_pages=0,
    throttles=None,
    frequency_hz=None,
)
LATER = msgspec.structs.replace(QUIET, at_ns=300_000_000, cpu_ticks=1060)
COOL = msgspec.structs.replace(LATER, throttles=0, hot=False)


def test_a_quiet_host_is_found_quiet() -> None:
    found = [
        disturbances.steal(QUIET, LATER),
        disturbances.load(QUIET),
        disturbances.pressure(QUIET, LATER),
        disturbances.memory(LATER),
        disturbances.throttling(msgspec.structs.replace(QUIET, throttles=0), COOL),
    ]
    assert {entry.state for entry in found} == {State.OK}


def test_a_busy_host_is_found_busy() -> None:
    busy = msgspec.structs.replace(LATER, steal_ticks=20, psi_us={"cpu": 90_000})
    assert disturbances.steal(QUIET, busy).state is State.WARN
    assert disturbances.pressure(QUIET, busy).state is State.WARN
    assert disturbances.load(msgspec.structs.replace(QUIET, load1=3.0)).state is State.WARN
    small = msgspec.structs.replace(LATER, mem_available_bytes=200 << 20)
    assert disturbances.memory(small).state is State.WARN
    for hot in ({"hot": True}, {"throttles": 1}):
        found = disturbances.throttling(COOL, msgspec.structs.replace(COOL, **hot))
        assert found.state is State.WARN


def test_a_laptop_s_processors_are_told_by_kind(tmp_path: Path) -> None:
    laptop = fingerprint.fingerprint(pose("laptop", tmp_path))["identity"]
    found = disturbances.processors(laptop)
    assert found.found.endswith("i7-1360P; of 2 kinds: 8 and 8, the fastest first")


def shown(diagnosis: Diagnosis, *, width: int = 80, color: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=color)
    console.print(render.render(diagnosis), highlight=False)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def diagnosis(*checks: Check, **answers: bool | str) -> Diagnosis:
    can_run = {"native": True, **answers}
    return Diagnosis(
        checks=checks, can_run=can_run, ok=any(answer is True for answer in can_run.values())
    )


LONG = check("long", State.WARN, found="very " * 40, advice="do " * 60, how="by " * 50)


def test_the_table_fits_80_columns() -> None:
    text = shown(diagnosis(LONG, check("other"), vm="no " * 60))
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("very") == 40


def test_a_state_is_a_word_and_not_only_a_color() -> None:
    text = shown(diagnosis(check("a", State.FAIL), check("b", State.WARN), check("c")))
    assert [word for word in text.split() if word in {"ok", "warn", "fail"}][:3] == [
        "fail",
        "warn",
        "ok",
    ]


def test_brackets_in_a_finding_are_text() -> None:
    assert "[red]gone" in shown(diagnosis(check("a", found="[red]gone")))


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(diagnosis(check("a", State.FAIL)), color=True)


@pytest.mark.parametrize(
    ("native", "code"), [(True, ExitCode.OK), ("not root", ExitCode.UNSUITABLE)]
)
def test_the_exit_code_says_whether_anything_can_run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    native: bool | str,  # noqa: FBT001  # a table's column
    code: ExitCode,
) -> None:
    monkeypatch.setattr(doctor, "diagnose", lambda: diagnosis(check("a"), native=native))
    assert render.doctor_command(json=True) == code
    printed = msgspec.json.decode(capsys.readouterr().out)
    assert printed["can_run"] == {"native": native}
    assert printed["checks"][0]["how"] == "looked"
