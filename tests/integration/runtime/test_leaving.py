"""Nothing stays when a container goes: processes executed into it, strays, descriptors."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import Engine, EngineError, Spec, clean, leftovers
from runtime.spec import profiles
from tests.integration.runtime.conftest import executed, traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.image import Image

#: Arguments that no other sleep on the host has, not even another run of these tests.
MARK, OTHER = f"{1_000_000 + os.getpid()}.1", f"{1_000_000 + os.getpid()}.2"
#: Leaves a child of its own, a session of its own, and both without their parent.
STRAYS = f"sleep {MARK} & setsid sleep {MARK} & (setsid sleep {MARK} &) ; sleep {MARK}"


@pytest.fixture
def native(image: Image) -> Spec:
    return profiles.native(rootfs=image.root, args=["sh", "-c", STRAYS])


def sleepers(parameter: str = MARK) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_text().split("\0")
            except OSError:
                continue
            if words[:2] == ["sleep", parameter]:
                found.append(int(entry.name))
    return found


def becomes(condition: Callable[[], bool], within_s: float = 5) -> bool:
    deadline = time.monotonic() + within_s
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def descriptors(pid: int) -> list[str]:
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            found.append(str(entry.readlink()))
    return sorted(found)


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize("lacking", ["", "pid", "cgroup"])
def test_delete_while_an_executed_process_runs(
    engine: Engine, spec: Spec, lacking: str, *, killed: bool
) -> None:
    container = engine.run(profiles.without(spec, lacking) if lacking else spec)
    process = container.exec(["sleep", "1000"])
    if killed:
        container.kill()
    begin = time.monotonic()
    container.delete()
    assert time.monotonic() - begin < 2
    assert process.wait(0) == 128 + signal.SIGKILL
    process.close()
    assert not Path(f"/proc/{process.pid}").exists()


def test_a_spawner_that_hangs_is_an_error(
    engine: Engine, spec: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.spawner.client._ANSWER_S", 0.3)
    container = engine.run(spec)
    os.kill(engine.spawner_pid, signal.SIGSTOP)
    try:
        with pytest.raises(EngineError, match="does not answer"):
            container.kill()
        with pytest.raises(EngineError, match="does not answer"):
            engine.run(spec, id="late")
    finally:
        os.kill(engine.spawner_pid, signal.SIGCONT)
    # what nobody waited for is not kept
    groups = next(iter(engine.cgroup_paths.values()))
    assert becomes(lambda: (groups / container.id).is_dir() and not (groups / "late").is_dir())
    container.delete()


@pytest.mark.parametrize("end", ["kill", "delete", "stop", "close"])
def test_no_stray_of_a_native_instance_survives(state: Path, native: Spec, end: str) -> None:
    with Engine(state) as engine:
        container = engine.run(native)
        process = container.exec(["sh", "-c", STRAYS])
        assert becomes(lambda: len(sleepers()) == 8)
        assert set(sleepers()) < set(container.pids())
        if end == "stop":
            assert container.stop(2) == 128 + signal.SIGTERM
            assert sleepers() == []
            assert not container.forced
        elif end == "kill":
            container.kill()
            assert becomes(lambda: sleepers() == [])
        elif end == "delete":
            container.delete()
            assert sleepers() == []
            process.close()
    assert sleepers() == []
    assert traces(engine.name) == []
    assert leftovers(state) == []


def test_deleting_one_native_instance_leaves_another_alone(engine: Engine, native: Spec) -> None:
    other = replace(
        native, process=replace(native.process, args=("sh", "-c", f"sleep {OTHER} & wait"))
    )
    with engine.run(other) as kept, engine.run(native) as gone:
        assert becomes(lambda: len(sleepers()) == 4 and len(sleepers(OTHER)) == 1)
        gone.delete()
        assert len(sleepers(OTHER)) == 1
        assert kept.running
        assert len(kept.pids()) >= 2
    assert sleepers() == sleepers(OTHER) == []


@pytest.mark.parametrize("limit", ["None", "1 << 29"])
@pytest.mark.parametrize("victim", ["harness", "spawner"])
def test_native_strays_of_a_killed_run_end(
    state: Path, image: Image, victim: str, limit: str
) -> None:
    program = (
        "import sys, time; from pathlib import Path; from runtime import Engine, profiles\n"
        f"engine = Engine(Path(sys.argv[1]), memory_limit_bytes={limit})\n"
        "spec = profiles.native(rootfs=Path(sys.argv[2]), args=['sh', '-c', sys.argv[3]])\n"
        "container = engine.run(spec); container.exec(['sh', '-c', sys.argv[3]])\n"
        "print(engine.name, engine.spawner_pid, flush=True); time.sleep(60)"
    )
    harness = subprocess.Popen(
        [sys.executable, "-c", program, str(state), str(image.root), STRAYS],
        stdout=subprocess.PIPE,
        text=True,
    )
    with harness:
        assert harness.stdout is not None
        name, spawner = harness.stdout.readline().split()
        assert becomes(lambda: len(sleepers()) == 8)
        os.kill(harness.pid if victim == "harness" else int(spawner), signal.SIGKILL)
        if victim == "spawner":
            time.sleep(0.2)
            assert any("process" in line for line in leftovers(state))
            clean(state)
            assert sleepers() == []
            harness.kill()
    assert becomes(lambda: leftovers(state) == [])
    assert becomes(lambda: traces(name) == [])
    assert sleepers() == []


def test_an_engine_whose_spawner_was_killed_cleans_up_when_it_is_closed(
    state: Path, native: Spec
) -> None:
    engine = Engine(state, memory_limit_bytes=1 << 29)
    engine.run(native)
    assert becomes(lambda: len(sleepers()) == 4)
    os.kill(engine.spawner_pid, signal.SIGKILL)
    engine.close()
    assert sleepers() == []
    assert leftovers(state) == []
    assert traces(engine.name) == []


def test_the_record_stays_while_a_group_is_busy(state: Path) -> None:
    engine = Engine(state, memory_limit_bytes=1 << 29)
    folder = next(iter(engine.cgroup_paths.values()))
    with subprocess.Popen(["sleep", MARK]) as foreign:  # no child of the spawner's
        (folder / "spawner/cgroup.procs").write_text(str(foreign.pid))
        engine.link._channel.close()
        assert engine.link.process.wait(20) == 1
        found = leftovers(state)
        assert f"process {foreign.pid} of {engine.name}" in found
        assert any("control group" in line for line in found)
        clean(state)
        assert foreign.wait(5) == -signal.SIGKILL
    assert leftovers(state) == []
    assert traces(engine.name) == []
    engine.close()


def test_a_native_instance_finds_what_no_other_has_written(engine: Engine, native: Spec) -> None:
    for _ in range(2):
        with engine.run(native) as container:
            script = "test -e /left && echo found; echo x > /left; cat /left; ls /proc/self/exe"
            assert executed(container, "sh", "-c", script)[1] == "x\n/proc/self/exe\n"


def test_descriptors_do_not_pile_up(engine: Engine, spec: Spec, native: Spec) -> None:
    def both() -> list[list[str]]:
        # the spawner closes the way of an answer right after it was heard
        found: list[list[str]] = []
        for _ in range(50):
            time.sleep(0.02)
            last, found = found, [descriptors(os.getpid()), descriptors(engine.spawner_pid)]
            if found == last:
                break
        return found

    engine.prepare(spec)
    engine.prepare(native)
    with engine.run(spec), engine.run(native):
        pass
    before = both()
    for kind in (spec, native):
        with engine.run(kind) as container:
            inside = both()
            for _ in range(50):
                with container.exec(["true"]) as process:
                    assert process.wait(5) == 0
            assert [len(each) for each in both()] == [len(each) for each in inside]
            for _ in range(5):  # these are closed along with their container
                container.exec(["true"])
        assert both() == before
    for _ in range(25):
        for kind in (spec, native):
            engine.run(kind).delete()
    assert both() == before


def test_cpu_time_without_a_group_counts_what_ended(engine: Engine, spec: Spec) -> None:
    ungrouped = profiles.without(spec, "cgroup")
    with engine.run(ungrouped) as container:
        before = container.cpu_time_s()
        script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
        assert executed(container, "sh", "-c", script)[0] == 0
        after = container.cpu_time_s()
        assert before is not None
        assert after is not None
        assert after - before > 0.02


def test_cpu_time_that_nobody_counts_is_none(engine: Engine, native: Spec) -> None:
    with engine.run(native) as container:
        assert container.cpu_time_s() is None


@pytest.mark.parametrize("lacking", ["", "pid", "cgroup"])
def test_stopped_means_that_nothing_is_left(engine: Engine, spec: Spec, lacking: str) -> None:
    chosen = profiles.without(spec, lacking) if lacking else spec
    script = f"sleep {MARK} & exec sleep {MARK}"
    chosen = replace(chosen, process=replace(chosen.process, args=("sh", "-c", script)))
    with engine.run(chosen) as container:
        container.exec(["sh", "-c", f"trap '' TERM; sleep {MARK}; sleep {MARK}"])
        assert becomes(lambda: len(sleepers()) == 3)
        container.stop(3)
        assert sleepers() == []
        assert not container.forced


def test_a_forced_stop_says_so(engine: Engine, spec: Spec) -> None:
    ours, theirs = os.pipe()
    script = "trap '' TERM; printf r >&3; while :; do sleep 1; done"
    stubborn = replace(spec, process=replace(spec.process, args=("sh", "-c", script)))
    with engine.run(stubborn, extra_fds={3: theirs}) as container:
        assert os.read(ours, 1) == b"r"
        container.stop(0.1)
        assert container.forced
    os.close(ours)
    os.close(theirs)


def test_an_image_whose_owners_cannot_be_mapped_is_noted(engine: Engine) -> None:
    assert engine.notes == [] or "controller" in engine.notes[0]
    before = list(engine.notes)
    strange = profiles.default(rootfs=Path("/sys/kernel"), args=["true"])  # sysfs has no idmaps
    for _ in range(2):
        engine.prepare(strange)
        (note,) = (note for note in engine.notes if note not in before)
        assert "cannot map the owners of /sys/kernel" in note
