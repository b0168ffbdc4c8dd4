"""Harness, spawner, executor or herald are killed at every step; afterwards nothing is left."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import ContainerError, Engine, EngineError, Resources, SetupError, clean, leftovers
from runtime.plan import builder
from runtime.plan.steps import sync
from runtime.spec import profiles
from tests.framework.hanging_starts import Start, create_and_hang, hanging, real_create
from tests.integration.runtime.conftest import executed, output, traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.image import Image
    from runtime import Spec

#: Harnesses, or engines, at a time.
AT_ONCE = 8
SEED = 20261126
PACKAGES = str(Path(__file__).resolve().parents[3])


@pytest.fixture(autouse=True)
def hanging_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sync.TOKENS, "x", "never")
    monkeypatch.setattr(builder, "create", create_and_hang)


def becomes(condition: Callable[[], bool], within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return met


def helpers(engine: Engine) -> dict[str, int]:
    """The executor and the herald of an engine, by pid."""
    own = Path("/proc/self/ns/pid").readlink()
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and f"PPid:\t{engine.spawner_pid}\n" in (entry / "status").read_text()
            ):
                words = (entry / "cmdline").read_text().split("\0")
                if words[0] == "executor" and (entry / "ns/pid").readlink() == own:
                    found["herald" if words[1] == "herald" else "executor"] = int(entry.name)
        except OSError:
            continue
    return found


def end(pid: int) -> None:
    """Kill a process and wait until it is gone: what is asked of it meanwhile would fail."""
    pidfd = os.pidfd_open(pid)
    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(5000)
    os.close(pidfd)


#: A harness that hangs at one step of a start.
HARNESS = """
import sys
from pathlib import Path
from tests.framework.hanging_starts import Start, create_and_hang, hanging
from runtime import Engine, Resources, profiles
from runtime.plan import builder
from runtime.plan.steps import sync
sync.TOKENS["x"] = "never"
builder.create = create_and_hang
engine = Engine(Path(sys.argv[1]))
spec = profiles.default(rootfs=Path(sys.argv[2]), args=["sleep", "1000"],
                        resources=Resources(memory_limit_bytes=1 << 28))
start = Start(engine, hanging(spec, int(sys.argv[3])))
print(engine.name, "hangs" if start.hangs() else "ended", flush=True)
sys.stdin.read()
"""


def kill_harness(state: Path, spec: Spec, step: int) -> str:
    """Empty where all went as it should, else what did not."""
    command = [sys.executable, "-c", HARNESS, str(state), str(spec.root.path), str(step)]
    with subprocess.Popen(
        command, cwd=PACKAGES, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        name, how = harness.stdout.readline().split()
        harness.kill()
    if how != "hangs":
        return f"{step}: it does not hang"
    # the spawner sees its channel closed, and removes everything by itself
    if not becomes(lambda: not traces(name) and not leftovers(state)):
        return f"{step}: {traces(name)} {leftovers(state)}"
    return ""


def kill_spawner(state: Path, spec: Spec, step: int) -> str:
    """Likewise."""
    engine = Engine(state)
    start = Start(engine, hanging(spec, step))
    if not start.hangs():
        return f"{step}: it does not hang, {start.error}"
    os.kill(engine.spawner_pid, signal.SIGKILL)
    start.thread.join(20)
    engine.link.process.wait()
    if not isinstance(start.error, EngineError) or "tare clean" not in str(start.error):
        return f"{step}: {start.error!r}"
    if step % 2:
        engine.close()
    else:
        clean(state)
        engine.link.close()
    if traces(engine.name) or leftovers(state) or list(state.iterdir()):
        return f"{step}: {traces(engine.name)} {leftovers(state)}"
    return ""


@pytest.mark.parametrize("kill", [kill_harness, kill_spawner], ids=["harness", "spawner"])
def test_killed_at_every_step_of_a_start(
    tmp_path: Path, spec: Spec, kill: Callable[[Path, Spec, int], str]
) -> None:
    steps = range(len(real_create(spec)))
    assert len(steps) > 25
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = pool.map(lambda step: kill(tmp_path / str(step), spec, step), steps)
        assert [text for text in wrong if text] == []


def test_a_helper_killed_at_every_step_of_a_start_is_replaced(engine: Engine, spec: Spec) -> None:
    for step in range(len(real_create(spec))):
        start = Start(engine, hanging(spec, step), f"h{step}")
        assert start.hangs(), step
        for pid in helpers(engine).values():
            end(pid)
        with engine.run(spec) as container:
            assert executed(container, "true")[0] == 0
        # what hung is not harmed, and ends when it is told to
        assert start.hangs(), step
        engine.link.ask({"verb": "delete", "what": "delete it", "id": f"h{step}"})
        start.thread.join(5)
        assert "deleted meanwhile" in str(start.error)


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_the_request_in_flight_says_that_the_executor_was_killed(
    engine: Engine, spec: Spec, verb: str
) -> None:
    errors: list[Exception] = []

    def ask() -> None:
        try:
            if verb == "run":
                engine.run(spec)
            else:
                container.exec(["true"])
        except SetupError as error:
            errors.append(error)

    with engine.run(spec) as container:
        executor = helpers(engine)["executor"]
        os.kill(executor, signal.SIGSTOP)
        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.1)
        os.kill(executor, signal.SIGKILL)
        asking.join(10)
        (error,) = errors
        sentence = f"the executor (process {executor}) was killed; the next request gets a new one"
        assert sentence in str(error)
        assert executed(container, "echo", "fine") == (0, "fine\n")
    assert helpers(engine)["executor"] != executor


def test_an_executor_killed_at_any_moment(engine: Engine, spec: Spec) -> None:
    moments = random.Random(SEED)
    with engine.run(spec) as container:
        for _ in range(40):
            executor = helpers(engine)["executor"]
            start = Start(engine, spec)
            time.sleep(moments.uniform(0, 0.01))
            os.kill(executor, signal.SIGKILL)
            start.thread.join(10)
            assert start.error is None or "was killed" in str(start.error)
            # where the start was over already, the death is found by the request that comes next
            with contextlib.suppress(SetupError):
                executed(container, "true")
            assert executed(container, "true")[0] == 0
            assert (
                output(engine, replace(spec, process=replace(spec.process, args=("true",))))[0] == 0
            )


#: A harness that starts, executes and deletes without end, by several threads.
BUSY = """
import sys, threading
from pathlib import Path
from runtime import ContainerError, Engine, Resources, profiles
engine = Engine(Path(sys.argv[1]))
limits = Resources(memory_limit_bytes=1 << 28)
spec = profiles.default(rootfs=Path(sys.argv[2]), args=["sleep", "1000"], resources=limits)
native = profiles.native(rootfs=Path(sys.argv[2]), args=["sh", "-c", "sleep 1000 & sleep 1000"])
engine.prepare(native)
def work(spec):
    try:
        while True:
            with engine.run(spec) as container, container.exec(["sleep", "1000"]):
                container.exec(["true"]).close()
    except ContainerError:
        pass  # once the spawner was killed
for each in (spec, spec, native):
    threading.Thread(target=work, args=(each,), daemon=True).start()
print(engine.name, engine.spawner_pid, flush=True)
sys.stdin.read()
"""


def kill_busy(state: Path, rootfs: Path, victim: str, delay_s: float) -> str:
    command = [sys.executable, "-c", BUSY, str(state), str(rootfs)]
    with subprocess.Popen(
        command, cwd=PACKAGES, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as harness:
        assert harness.stdout is not None
        name, spawner = harness.stdout.readline().split()
        time.sleep(delay_s)
        os.kill(harness.pid if victim == "harness" else int(spawner), signal.SIGKILL)
        if victim == "spawner":
            time.sleep(0.1)
            harness.kill()
    if victim == "spawner":
        clean(state)
    if not becomes(lambda: not traces(name) and not leftovers(state)):
        return f"{delay_s}: {traces(name)} {leftovers(state)}"
    return ""


@pytest.mark.parametrize("victim", ["harness", "spawner"])
def test_killed_while_it_starts_executes_and_deletes(
    tmp_path: Path, image: Image, victim: str
) -> None:
    moments = random.Random(SEED)
    delays = [moments.uniform(0, 0.3) for _ in range(2 * AT_ONCE)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = pool.map(
            lambda number: kill_busy(tmp_path / str(number), image.root, victim, delays[number]),
            range(len(delays)),
        )
        assert [text for text in wrong if text] == []


@pytest.mark.parametrize("kind", ["default", "native"])
def test_many_at_once_do_not_collide(engine: Engine, spec: Spec, image: Image, kind: str) -> None:
    """Starts, executions and deletions by thirty-two threads; names that are taken are refused."""
    if kind == "native":
        spec = profiles.native(rootfs=image.root, args=["sleep", "1000"])
    refused: list[str] = []
    wrong: list[BaseException] = []
    pids: list[int] = []
    begin = threading.Barrier(32)

    def work(number: int) -> None:
        try:
            begin.wait(20)
            with engine.run(spec, id=f"c{number}") as container:
                pids.append(container.pid)
                try:
                    engine.run(spec, id="same").delete()
                except ContainerError as error:
                    refused.append(str(error))
                with container.exec(["sleep", "1000"]) as process:
                    pids.append(process.pid)
                    assert executed(container, "echo", str(number)) == (0, f"{number}\n")
                    if number % 2:
                        container.kill()
        except BaseException as error:  # noqa: BLE001  # shown below
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []
    assert len(set(pids)) == 64
    assert all("the id 'same' is in use" in text for text in refused)


def test_limits_of_a_busy_engine(state: Path, image: Image) -> None:
    """Without a kill there is nothing to clean, whatever was going on at the end."""
    spec = profiles.default(
        rootfs=image.root, args=["sleep", "1000"], resources=Resources(memory_limit_bytes=1 << 28)
    )
    with Engine(state) as engine:
        for number in range(5):
            container = engine.create(spec) if number % 2 else engine.run(spec)
            if not number % 2:
                container.exec(["sleep", "1000"])
    assert list(state.iterdir()) == []
    assert clean(state) == []
    assert traces(engine.name) == []
