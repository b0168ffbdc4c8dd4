"""A leak planted in a container is found by the right probe: one test for each kind of probe.

Kinds planted elsewhere: technologies, shared namespaces and a capability in `test_leaks`; a mask
and a namespace for the sweep in `test_sweep`; a call, a filter and a capability for the attack
surface in `experiments/surface`; channels and interference beside that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.experiments import base, probes
from benchmarks.experiments.probes import Outcome, Verdict
from benchmarks.results import metrics, records
from benchmarks.results.recorder import Recorder
from benchmarks.results.records import SandboxInfo, Status
from benchmarks.sandboxes.kinds.container import ContainerInstance
from runtime import seccomp
from runtime.spec import DeviceRule, Mount, Resources, masks, profiles
from runtime.spec.devices import DEFAULT_DEVICES

if TYPE_CHECKING:
    import runtime
    from tests.integration.benchmarks.experiments.probes.conftest import Examine

type Controls = dict[str, Outcome | None]

FUSE = DeviceRule(allow=True, type="c", major=10, minor=229, access="rw")


def found(examined: probes.Examination) -> dict[str, probes.Finding]:
    return {one.probe: one for one in probes.judge(examined)}


def outcomes(examined: probes.Examination) -> Controls:
    return {one.control: one.outcome for one in probes.judge_controls(examined)}


def opened(before: Controls, after: Controls) -> set[str]:
    """Name the controls that are open and were not."""
    return {
        name for name in after if after[name] is Outcome.OPEN and before[name] is not Outcome.OPEN
    }


@pytest.fixture(scope="module")
def held(hardened: probes.Examination) -> Controls:
    return outcomes(hardened)


def test_each_mask_removed_is_found_by_the_probe_of_what_it_hid(
    examine: Examine, default: runtime.Spec, hardened: probes.Examination
) -> None:
    hidden = {
        "/proc/locks": "locks-ofd",
        "/proc/pressure": "pressure-cpu",
        "/proc/softirqs": "softirqs",
        "/proc/zoneinfo": "zoneinfo",
        "/proc/buddyinfo": "buddyinfo",
        "/proc/sys/fs/file-nr": "file-nr",
        "/proc/sys/fs/inode-nr": "inode-nr",
        "/proc/sys/fs/dentry-state": "dentry-state",
    }
    assert hidden.keys() <= set(masks.DEFAULT)
    fewer = tuple(path for path in default.linux.masked_paths if path not in hidden)
    planted = examine(replace(default, linux=replace(default.linux, masked_paths=fewer)))
    before, after = found(hardened), found(planted)
    assert {before[probe].verdict for probe in hidden.values()} == {Verdict.MASKED}
    assert {after[probe].verdict for probe in hidden.values()} == {Verdict.SHARED_LIVE}
    for probe in ("interrupts", "timer-list", "firmware"):
        assert before[probe].verdict is not Verdict.SHARED_LIVE
        assert after[probe].verdict is before[probe].verdict


@pytest.mark.parametrize(
    ("rules", "verdict"), [((), Verdict.DENIED), ((FUSE,), Verdict.SHARED_LIVE)]
)
def test_a_device_of_the_host_is_found_and_whether_it_opens(
    examine: Examine, default: runtime.Spec, rules: tuple[DeviceRule, ...], verdict: Verdict
) -> None:
    resources = Resources(pids_limit=64, devices=(*DEFAULT_DEVICES, *rules))
    devices = (*default.linux.devices, "fuse")
    spec = profiles.without(default, "user")  # root's own device, as a rule
    linux = replace(spec.linux, devices=devices, resources=resources)
    one = found(examine(replace(spec, linux=linux)))["devices"]
    assert one.verdict is verdict


def test_an_inherited_descriptor_is_found(
    examine: Examine, default: runtime.Spec, hardened: probes.Examination
) -> None:
    assert found(hardened)["descriptors"].verdict is Verdict.ABSENT
    with Path("/etc/hostname").open("rb") as leaked:
        one = found(examine(default, descriptor=leaked.fileno()))["descriptors"]
    assert one.verdict is Verdict.SHARED_LIVE
    assert "7 /etc/hostname" in one.evidence


def test_an_inherited_variable_is_found_and_its_value_told_nowhere(
    examine: Examine,
    default: runtime.Spec,
    hardened: probes.Examination,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert found(hardened)["environment"].verdict is Verdict.NAMESPACED
    monkeypatch.setenv("TARE_PLANTED", "correct horse battery staple")
    env = {**default.process.env, "TARE_PLANTED": "correct horse battery staple"}
    planted = examine(replace(default, process=replace(default.process, env=env)))
    one = found(planted)["environment"]
    assert one.verdict is Verdict.SHARED_LIVE
    assert "TARE_PLANTED" in one.evidence
    assert "battery" not in str(planted)


def test_one_call_that_the_filter_lets_pass_is_found_by_its_own_control(
    examine: Examine, default: runtime.Spec, held: Controls
) -> None:
    looser = seccomp.to_object("default")
    looser["syscalls"].append({"names": ["add_key"], "action": "SCMP_ACT_ALLOW"})
    linux = replace(default.linux, seccomp=None, seccomp_object=looser)
    planted = outcomes(examine(replace(default, linux=linux)))
    assert opened(held, planted) == {"add_key"}


def test_the_hosts_control_groups_mounted_writable_are_found(
    examine: Examine, default: runtime.Spec, held: Controls
) -> None:
    """As in CVE-2022-0492; the files are opened and closed."""
    mount = Mount(
        destination="/sys/fs/cgroup", type="bind", source="/sys/fs/cgroup", options=("rbind", "rw")
    )
    spec = profiles.without(default, "user")
    planted = examine(replace(spec, mounts=(*spec.mounts, mount)))
    assert "cgroup-procs" in opened(held, outcomes(planted))


def test_a_setting_of_the_kernel_that_can_be_written_to_is_found(
    examine: Examine, default: runtime.Spec, held: Controls, hardened: probes.Examination
) -> None:
    spec = profiles.without(default, "user")
    planted = examine(replace(spec, linux=replace(spec.linux, readonly_paths=())))
    assert {"core-pattern", "suid-dumpable"} <= opened(held, outcomes(planted))
    before, after = found(hardened), found(planted)
    for probe in ("sysctls", "core-pattern"):
        assert before[probe].kept
        assert after[probe].verdict is Verdict.SHARED_LIVE


def test_a_wire_shared_with_the_host_is_found(
    examine: Examine, default: runtime.Spec, hardened: probes.Examination
) -> None:
    """The bridge's address stands in the container's table from the beginning."""
    assert found(hardened)["neighbours"].verdict is Verdict.ABSENT
    seen = found(examine(default, attach=True))
    assert seen["neighbours"].verdict is Verdict.SHARED_LIVE
    assert seen["links"].verdict is Verdict.NAMESPACED
    assert seen["mac"].verdict is Verdict.NAMESPACED


def test_an_agent_that_cannot_run_is_an_error_of_every_part_and_never_safe(
    engine: runtime.Engine, default: runtime.Spec, tmp_path: Path
) -> None:
    hidden = (*default.linux.masked_paths, "/usr/bin/python3")
    planted = replace(default, linux=replace(default.linux, masked_paths=hidden))
    info = SandboxInfo(name="container", kind="container", profile="default")
    box: Any = SimpleNamespace(info=info)
    context = base.Context(
        record=Recorder("planted", 0, "container"),
        group=(box,),
        sandboxes={"container": box},
        resources=records.Resources(cpus=1, cpuset=(0,), memory_bytes=1 << 29),
        seed=1,
        block=0,
        logs=tmp_path,
    )
    names = (metrics.LEAKS, metrics.CONTROLS, metrics.SWEEP, metrics.SURFACE)
    with engine.run(planted) as container:
        there = replace(context, started=ContainerInstance(container, {}))
        for experiment in base.asked(names, {}):
            experiment.run(there)
            experiment.judge(context)
        container.kill()
    made = context.record.samples
    assert len(made) > len(probes.PROBES) + len(probes.controls())
    told = [one for one in made if one.metric != "calls_evaluated"]  # that needs no instance
    assert {(one.status, one.value, one.text) for one in told} == {(Status.FAILED, None, None)}
    assert all("python3" in (one.detail or "") for one in told)
