"""What a killed spawner leaves, and what cleaning does with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from runtime import Engine, EngineError, Spec, clean, leftovers
from runtime.recovery import record
from tests.integration.runtime.conftest import traces

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.image import Image


def gone(name: str, within_s: float = 5) -> list[str]:
    deadline = time.monotonic() + within_s
    while (found := traces(name)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def test_killed_spawner_takes_running_containers_along(state: Path, spec: Spec) -> None:
    engine = Engine(state)
    container = engine.run(spec)
    os.kill(engine.spawner_pid, signal.SIGKILL)
    assert container._ended(5)
    engine.link.process.wait()
    with pytest.raises(EngineError, match="tare clean"):
        engine.run(spec)
    found = leftovers(state)
    assert any("control group" in line for line in found)
    assert clean(state)
    assert clean(state) == []
    assert traces(engine.name) == []
    engine.close()


def test_clean_leaves_running_engines_alone(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        assert clean(engine.folder.parent) == []
        assert container.running


def test_clean_kills_native_orphans(state: Path, image: Image) -> None:
    from runtime.spec import profiles  # used here alone

    engine = Engine(state)
    native = profiles.native(rootfs=image.root, args=["sh", "-c", "sleep 1000 & sleep 1000"])
    engine.run(native)
    time.sleep(0.1)
    os.kill(engine.spawner_pid, signal.SIGKILL)
    engine.link.process.wait()
    assert traces(engine.name)
    clean(state)
    assert gone(engine.name) == []
    engine.close()


def test_clean_of_nothing_is_nothing(tmp_path: Path) -> None:
    assert clean(tmp_path / "absent") == []


def test_a_low_limit_on_descriptors_is_named(state: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from runtime import Engine\n"
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\n"
        "Engine(Path(sys.argv[1]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(state)], capture_output=True, text=True, check=False
    )
    assert "RLIMIT_NOFILE" in done.stderr
    assert "is 60" in done.stderr
    assert leftovers(state) == []
    assert list(state.iterdir()) == []


def test_a_record_that_cannot_be_written_leaves_no_spawner(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = []

    def full(_: Path, pid: int, __: object) -> None:
        pids.append(pid)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "write", full)
    with pytest.raises(EngineError, match="No space left"):
        Engine(state)
    assert list(state.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
