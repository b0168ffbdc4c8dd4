"""What all kinds of sandbox keep alike: metrics or a declared absence, grace, limits, statuses."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks import sandboxes
from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import PAYLOAD, STAMP_DESCRIPTOR, Setting
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.external.instance import ExternalInstance
from benchmarks.sandboxes.processes import GROUPED
from runtime.cgroups import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.base import Instance, Sandbox

EVERY = {"vss_bytes", "rss_bytes", "pss_bytes", "uss_bytes", "mapped_bytes", "processes", *GROUPED}
REAL = [
    *(kind.names[0] for kind in sandboxes.all_kinds() if kind.isolation != "simulated"),
    "oci:runc",
]
#: A guest's start and stop have tests of their own; it is asked to power off, not its workload.
NOT_GUESTS = [name for name in REAL if sandboxes.find(name).isolation != "machine"]
DEAF = (*PAYLOAD[:3], f"trap '' TERM; printf m >&{STAMP_DESCRIPTOR}; while :; do sleep 100; done")


@pytest.fixture(scope="module")
def setting(image: Image) -> Iterator[Setting]:
    # below /run: a runtime's own id of root must be able to search the way to the bundle
    state = Path(f"/run/tare-contract-{os.getpid()}")
    (state / "logs").mkdir(parents=True)
    yield Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=256 << 20),
        image_root=image.root,
        image=image,
        state=state,
        logs=state / "logs",
        seed=1,
    )
    shutil.rmtree(state, ignore_errors=True)


def opened(name: str, setting: Setting) -> Sandbox:
    """The sandbox, entered; skipped where its program is not installed."""
    try:
        return sandboxes.open_sandbox(name, setting).__enter__()
    except UnsuitableHostError as error:
        if "not installed" in str(error) or "daemon" in str(error):
            pytest.skip(str(error))
        raise


@pytest.fixture
def box(name: str, setting: Setting) -> Iterator[Sandbox]:
    found = opened(name, setting)
    try:
        yield found
        assert found.leftovers() == []
    finally:
        found.__exit__(None, None, None)


def group_of(instance: Instance) -> dict[str, str]:
    """Control groups of the last process that serves it: hierarchy to directory."""
    mounts = Path("/proc/self/mountinfo").read_text()
    membership = Path(f"/proc/{instance.pids()[-1]}/cgroup").read_text()
    found = layout.discover(mounts, membership)
    return {"unified": found.v2} if found.v2 else found.v1


@pytest.mark.parametrize("name", REAL)
def test_it_has_every_figure_of_memory_or_says_why_not(name: str, box: Sandbox) -> None:
    kind = sandboxes.find(name)
    with box.start() as instance:
        found = instance.memory()
    assert found.keys() >= EVERY
    assert {metric for metric in EVERY if found[metric] is None} == kind.lacks.keys()
    assert all(kind.lacks.values())


@pytest.mark.parametrize("name", REAL)
def test_its_group_holds_as_many_tasks_as_every_other(name: str, box: Sandbox) -> None:
    if "cgroup_bytes" in sandboxes.find(name).lacks:
        pytest.skip(sandboxes.find(name).lacks["cgroup_bytes"])
    with box.start() as instance:
        groups = group_of(instance)
        folder = Path(groups.get("unified") or groups["pids"])
        assert (folder / "pids.max").read_text().strip() == str(limits.PIDS_LIMIT)


@pytest.mark.parametrize("name", NOT_GUESTS)
def test_a_workload_that_never_speaks_is_one_that_took_too_long(
    box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = FirstByte.stamp

    def silent(first: FirstByte, timeout_s: float) -> None:
        stamp(first, timeout_s)

    with monkeypatch.context() as patched:
        patched.setattr(FirstByte, "stamp", silent)
        patched.setattr(limits, "START_TIMEOUT_S", 1.0)
        with pytest.raises(MeasurementError, match="never ran its first instruction") as caught:
            box.start()
    assert caught.value.timed_out


@pytest.mark.parametrize("name", [name for name in NOT_GUESTS if name != "peer:bwrap"])
def test_a_workload_that_does_not_end_is_killed_after_the_same_grace(
    name: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = __import__(sandboxes.find(name).open.__module__, fromlist=["PAYLOAD"])
    monkeypatch.setattr(module, "PAYLOAD", DEAF)
    with monkeypatch.context() as trial:  # the start that some kinds try when they are opened
        trial.setattr(ExternalInstance, "stop", lambda one: one.__exit__(OSError, OSError(), None))
        found = opened(name, setting)
    monkeypatch.setattr(limits, "STOP_GRACE_S", 1.0)
    try:
        instance = found.start()
        asked = time.monotonic()
        with pytest.raises(MeasurementError, match="did not stop within 1 s and was killed") as how:
            instance.stop()
        assert how.value.timed_out
        assert time.monotonic() - asked >= 1
        assert found.leftovers() == []
    finally:
        found.__exit__(None, None, None)
