"""Freezing groups, seeing the OOM killer in them, and what they used."""

from __future__ import annotations

import os
import select
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import Engine, Spec, cgroups, clean, leftovers
from runtime.cgroups import oom, usage, v2
from tests.integration.runtime.cgroups.conftest import HOLD, MIB, limit, member, needs_v1
from tests.integration.runtime.conftest import traces

if TYPE_CHECKING:
    from runtime.cgroups import Group

pytestmark = needs_v1


def test_frozen_nothing_runs_and_everything_can_be_killed(either: Group) -> None:
    with member(either, "yes") as process:
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.read(output, 1)
        either.freeze()
        assert either.frozen()
        os.set_blocking(output, False)
        drain(output)
        assert not select.select([output], [], [], 0.1)[0]
        either.thaw()
        assert select.select([output], [], [], 10)[0]
        assert os.read(output, 1)
        assert not either.frozen()
        either.freeze()
        either.kill()
        assert process.wait(10) == -signal.SIGKILL


def drain(pipe: int) -> None:
    """Read what is in it; a writer that goes on would keep us busy, so no more than it can hold."""
    for _ in range(64):
        try:
            os.read(pipe, 1 << 16)
        except BlockingIOError:
            return


def test_out_of_memory_is_seen_and_counted(group: Group) -> None:
    limit(group, memory_limit_bytes=32 * MIB, memory_swap_bytes=0)
    with oom.OomWatch(group.paths) as watch:
        assert (oom.oom_kills(group.paths), watch.wait(0)) == (0, 0)
        with member(group, sys.executable, "-I", "-S", "-c", "bytearray(128 << 20)") as process:
            assert select.select([watch], [], [], 20)[0]
            assert watch.wait(20) == 1
            assert process.wait(20) == -signal.SIGKILL
        assert watch.kills() == oom.oom_kills(group.paths) == 1
        assert not select.select([watch], [], [], 0)[0]
    counted = usage.statistics(group.paths).memory
    assert counted is not None
    assert counted.oom_kills == 1


def test_statistics_are_what_happened(group: Group) -> None:
    limit(group, memory_limit_bytes=128 * MIB, cpus=1.0, pids_limit=9)
    with member(group, sys.executable, "-I", "-S", "-c", HOLD) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = usage.statistics(group.paths)
    assert found.memory is not None
    assert found.cpu is not None
    assert found.memory.limit_bytes == 128 * MIB
    assert found.memory.anon_bytes is not None
    assert 20 * MIB <= found.memory.anon_bytes < 40 * MIB
    assert found.memory.usage_bytes is not None
    assert found.memory.usage_bytes >= found.memory.anon_bytes
    assert found.cpu.usage_s is not None
    assert found.cpu.usage_s > 0
    assert found.pids == usage.CgroupPids(current=1, limit=9)
    assert found.disks is None  # nobody counts them where there is no limit


def python(group: Group, program: str) -> str:
    """What a program prints in the group."""
    with member(group, sys.executable, "-I", "-S", "-c", program) as process:
        return process.communicate(timeout=20)[0]


def test_v2_statistics_need_no_controllers(unified: v2.UnifiedGroup) -> None:
    assert python(unified, "print(sum(range(10**6)))") == "499999500000\n"
    found = usage.statistics(unified.paths)
    assert found.cpu is not None
    assert found.cpu.usage_s is not None
    assert found.cpu.usage_s > 0
    assert found.pressure.cpu is not None
    assert found.memory is None


def test_a_paused_container_is_deleted(engine: Engine, spec: Spec) -> None:
    container = engine.run(spec)
    paths = {name: str(path) for name, path in container.cgroup_paths.items()}
    cgroups.open_at(paths).freeze()
    container.delete()
    assert not any(Path(path).exists() for path in paths.values())


def test_a_paused_container_of_a_killed_engine_is_cleaned_up(state: Path, spec: Spec) -> None:
    engine = Engine(state)
    container = engine.run(spec)
    paths = {name: str(path) for name, path in container.cgroup_paths.items()}
    cgroups.open_at(paths).freeze()
    os.kill(engine.spawner_pid, signal.SIGKILL)
    engine.link.process.wait()
    assert clean(state)
    assert leftovers(state) == []
    assert traces(engine.name) == []
    engine.close()
