"""The doctor's conclusions, on made-up findings, and how they are shown."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from rich.console import Console

from benchmarks.campaign import config
from benchmarks.host import fingerprint
from benchmarks.results import runfolder
from benchmarks.session import trial
from benchmarks.session.trial import Trial
from tare import doctor
from tare.doctor import (
    Check,
    Diagnosis,
    State,
    abilities,
    accelerators,
    cpu,
    disturbances,
    render,
)
from tare.doctor import diagnosis as diagnosing
from tare.doctor.gates import gates
from tare.errors import ExitCode
from tests.framework.posed_hosts import pose, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check(identifier: str, state: State = State.OK, **more: Any) -> Check:
    values = {"title": identifier.upper(), "found": "as it should be", "how": "looked"}
    return Check(id=identifier, state=state, **(values | more))


NEEDED = ("root", "namespaces", "overlay", "seccomp", "qemu", "libvirt", "accelerator", "image")
ALL_WELL = {name: check(name) for name in NEEDED}


def test_where_all_is_well_everything_can_run() -> None:
    assert doctor.decide(ALL_WELL, {}) == {"native": True, "container": True, "vm": True}


def test_what_was_started_can_run_whatever_the_checks_say() -> None:
    started = {name: Trial(started=True) for name in ("native", "container", "vm")}
    failing = {name: check(name, State.FAIL) for name in ("namespaces", "libvirt", "seccomp")}
    assert set(doctor.decide(ALL_WELL | failing, started).values()) == {True}


def test_what_could_not_be_started_cannot_run_whatever_the_checks_say() -> None:
    refused = "the sandbox 'container' cannot be had here: the spawner cannot start: pivot_root"
    found = doctor.decide(ALL_WELL, {"container": Trial(refused=refused)})
    assert found == {"native": True, "container": refused, "vm": True}


def test_without_an_image_and_means_to_build_one_nothing_runs() -> None:
    started = {"container": Trial(started=True)}
    lacking = {"image": check("image", State.FAIL, found="none, and no mmdebstrap")}
    found = doctor.decide(ALL_WELL | lacking, started)
    assert found["container"] == "IMAGE: none, and no mmdebstrap"


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
def test_where_nothing_could_be_started_the_checks_decide(failing: str, stopped: set[str]) -> None:
    found = doctor.decide(ALL_WELL | {failing: check(failing, State.FAIL, found="gone")}, {})
    assert {name for name, answer in found.items() if answer is not True} == stopped
    assert {found[name] for name in stopped} == {f"{failing.upper()}: gone"}


def test_a_warning_stops_nothing() -> None:
    found = doctor.decide(ALL_WELL | {"accelerator": check("accelerator", State.WARN)}, {})
    assert found["vm"] is True


def test_without_root_that_is_the_only_reason_named() -> None:
    failed = {name: check(name, State.FAIL, found="refused") for name in ("root", "namespaces")}
    assert doctor.decide(ALL_WELL | failed, {})["native"] == "ROOT: refused"


def test_beside_a_campaign_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosing, "state_folder", lambda: tmp_path)
    with runfolder.campaign_lock(tmp_path / "campaign.lock", "run folder runs/quick"):
        trials, untried = diagnosing.try_sandboxes()
    assert trials == {}
    assert "another campaign is running (run folder runs/quick)" in untried


def test_a_trial_starts_what_a_run_starts(tmp_path: Path) -> None:
    campaign = config.load("smoke", sandboxes=("fake", "fake:broken"), workloads=("startup",))
    found = trial.attempt(campaign, None, tmp_path)
    assert found["fake"].started
    assert not found["fake:broken"].started
    assert found["fake:broken"].refused


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


def accelerator(
    name: str, verdict: str, ratio: float | None = None, remedy: str | None = None
) -> SimpleNamespace:
    return SimpleNamespace(name=name, verdict=verdict, ratio=ratio, reason="because", remedy=remedy)


@pytest.mark.parametrize(
    ("audited", "state"),
    [
        ([accelerator("kvm", "accelerates", 1.0), accelerator("tcg", "emulates", 0.1)], State.OK),
        ([accelerator("kvm", "emulates", 4e-4), accelerator("tcg", "emulates", 0.1)], State.WARN),
        ([accelerator("kvm", "emulates", 4e-4), accelerator("tcg", "unusable")], State.FAIL),
    ],
)
def test_an_accelerator_is_judged_by_its_speed(audited: list[Any], state: State) -> None:
    assert accelerators.judge(audited).state is state


KVM_FAILS: list[Any] = [accelerator("kvm", "unusable"), accelerator("tcg", "emulates", 0.1)]
KVM_WORKS: list[Any] = [accelerator("kvm", "accelerates", 0.9)]


@pytest.mark.parametrize(
    ("host", "there", "said"),
    [
        ("privileged-container", ["dev/kvm", "sys/module/kvm_pvm/x"], "CONFIG_PVM_GUEST"),
        ("azure-runner", ["dev/kvm", "sys/module/kvm_amd/x"], "nested in hyperv"),
        ("bare-metal", [], "modprobe kvm_intel"),
        ("graviton", [], "use a metal instance"),
    ],
)
def test_what_to_do_for_a_kvm_depends_on_the_host(
    host: str, there: list[str], said: str, tmp_path: Path
) -> None:
    root = pose(host, tmp_path)
    for path in there:
        write(root, path, "")
    found = accelerators.judge(KVM_FAILS, root)
    assert found.state is State.WARN
    assert said in (found.advice or "")


def test_a_guest_without_virtualization_is_told_where_to_ask(tmp_path: Path) -> None:
    root = pose("azure-runner", tmp_path)
    cpuinfo = root / "proc/cpuinfo"
    cpuinfo.write_text(cpuinfo.read_text().replace(" svm", ""))
    said = accelerators.remedy(root)
    assert said.startswith("this host is a guest of hyperv that is given no virtualization")


def test_a_nested_kvm_that_works_is_named(tmp_path: Path) -> None:
    inside = accelerators.judge(KVM_WORKS, pose("azure-runner", tmp_path / "inside"))
    assert "nested: this host is itself a guest of hyperv" in inside.found
    assert "nested" not in accelerators.judge(KVM_WORKS, pose("laptop", tmp_path / "own")).found


def test_the_advice_on_an_accelerator_is_for_its_own_cause() -> None:
    refused = accelerator("kvm", "unusable", remedy="join the group kvm")
    for translation in (accelerator("tcg", "emulates", 0.1), accelerator("tcg", "unusable")):
        found = accelerators.judge([refused, translation])
        assert "join the group kvm" in (found.advice or "")


def test_packages_are_no_remedy_for_an_accelerator_that_is_slow() -> None:
    found = accelerators.judge([accelerator("kvm", "unusable"), accelerator("tcg", "unusable")])
    assert found.state is State.FAIL
    assert "packages" not in (found.advice or "")
    assert "end other work on this host and look again" in (found.advice or "")


def test_missing_programs_are_failures_with_advice() -> None:
    found = abilities.qemu(None)
    assert found.state is State.FAIL
    assert found.advice


def test_an_architecture_without_vms_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    for found in (abilities.qemu(None), accelerators.accelerator()[0]):
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
        (cpu.governor, {"governor": "performance"}, State.OK),
        (cpu.governor, {"governor": "powersave"}, State.WARN),
        (cpu.governor, {"governor": None}, State.INFO),
        (cpu.preference, {"epp": "power", "platform_profile": None}, State.WARN),
        (cpu.preference, {"epp": "performance", "platform_profile": None}, State.OK),
        (cpu.preference, {"epp": None, "platform_profile": "balanced"}, State.WARN),
        (cpu.preference, {"epp": None, "platform_profile": None}, State.INFO),
        (cpu.supply, {"power": "battery"}, State.WARN),
        (cpu.supply, {"power": None}, State.INFO),
        (cpu.turbo, {"turbo": True}, State.WARN),
        (cpu.smt, {"smt": True}, State.WARN),
        (cpu.smt, {"smt": False}, State.OK),
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
        cpu.throttling(msgspec.structs.replace(QUIET, throttles=0), COOL),
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
        found = cpu.throttling(COOL, msgspec.structs.replace(COOL, **hot))
        assert found.state is State.WARN


def test_a_laptop_s_processors_are_told_by_kind(tmp_path: Path) -> None:
    laptop = fingerprint.fingerprint(pose("laptop", tmp_path))["identity"]
    found = cpu.processors(laptop)
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


def test_a_runner_with_a_working_kvm_gates_all_three() -> None:
    found = Diagnosis(
        checks=(),
        can_run=dict.fromkeys(("native", "container", "vm"), True),
        ok=True,
        accelerator="kvm",
        accelerates=True,
    )
    assert gates(found) == (
        [
            "start: yes, native, container, vm (vm under kvm)",
            "throughput: yes, native, container, vm (vm under kvm)",
            "isolation: yes, native, container, vm (vm under kvm)",
        ],
        True,
    )


def test_an_emulated_guest_gates_no_throughput() -> None:
    busy = check("load", State.WARN, title="load")
    found = msgspec.structs.replace(
        diagnosis(busy, container=True, vm=True), accelerator="tcg", accelerates=False
    )
    lines, each = gates(found)
    assert each
    assert lines[1].startswith(
        "throughput: in part, native, container; not vm: its CPU is emulated (tcg)"
    )
    assert lines[0].endswith("many comparisons will not decide, for load")
    assert "load" not in lines[2]


def test_a_runner_that_can_start_nothing_is_no_gate() -> None:
    found = Diagnosis(checks=(), can_run={"native": "not root"}, ok=False)
    lines, each = gates(found)
    assert lines[0] == "start: no; not native: not root"
    assert not each
    assert len(lines) == 3
