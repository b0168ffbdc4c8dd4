"""What can be done to a running container: pausing, updating, its terminal, its events."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import ExecError, Resources, SetupError, SpecError, StateError
from runtime.spec import profiles
from tests.integration.runtime.conftest import executed

if TYPE_CHECKING:
    from benchmarks.image import Image
    from runtime import Container, Engine, Spec


def running(spec: Spec, *args: str, **changes: object) -> Spec:
    process = replace(spec.process, args=args)
    return replace(spec, process=replace(process, **changes))  # type: ignore[arg-type]


def read_all(master: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # EIO: nobody holds the other side any more
            return b"".join(parts).decode()
        parts.append(part)


def test_a_paused_container_stands_still_and_goes_on(engine: Engine, spec: Spec) -> None:
    script = "i=0; while :; do i=$((i+1)); echo $i > /count; done"
    with engine.run(running(spec, "sh", "-c", script)) as container:
        time.sleep(0.1)
        container.pause()
        assert container.paused
        ticks = [container.cpu_time_s() for _ in range(2) if time.sleep(0.1) is None]
        assert ticks[0] == ticks[1]
        container.resume()
        assert not container.paused
        time.sleep(0.1)
        assert (container.cpu_time_s() or 0) > (ticks[1] or 0)


def test_a_paused_container_is_deleted(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        container.pause()
    assert not container.running


def test_limits_change_while_it_runs(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        container.update(Resources(memory_limit_bytes=64 << 20, pids_limit=20))
        found = container.statistics()
        assert found
        assert found.memory
        assert found.memory.limit_bytes == 64 << 20
        assert found.pids
        assert found.pids.limit == 20


def test_a_kill_for_want_of_memory_is_told(engine: Engine, spec: Spec) -> None:
    hog = "x=$(head -c 300000000 /dev/zero | tr '\\0' x); echo ${#x}"
    limits = Resources(memory_limit_bytes=32 << 20, memory_swap_bytes=0, pids_limit=64)
    small = replace(spec, linux=replace(spec.linux, resources=limits))
    with engine.run(running(small, "sh", "-c", hog)) as container:
        kinds = [event.kind for event in container.events(timeout_s=60)]
        assert kinds[-1] == "exit"
        assert "oom" in kinds
        assert container.oom_kills() >= 1
    assert container.oom_kills() >= 1


def test_events_end_with_the_exit_status(engine: Engine, spec: Spec) -> None:
    with engine.run(running(spec, "sh", "-c", "exit 7")) as container:
        assert list(container.events(timeout_s=10)) == [("exit", 7)]


def test_no_event_in_time_is_none(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        assert list(container.events(timeout_s=0.05)) == []


def test_a_created_container_waits_and_is_started_once(engine: Engine, spec: Spec) -> None:
    created = engine.create(running(spec, "touch", "/dev/shm/ran"))
    with created as container:
        assert container.running
        assert executed(container, "ls", "/dev/shm")[1] == ""
        container.start()
        assert container.wait(10) == 0
        with pytest.raises(SetupError, match="started already"):
            container.start()


def test_a_created_container_tells_of_a_missing_program_at_the_start(
    engine: Engine, spec: Spec
) -> None:
    container = engine.create(running(spec, "absent"))
    with pytest.raises(ExecError, match="not found"):
        container.start()
    with pytest.raises(StateError):
        container.start()


def test_a_created_container_that_is_never_started_goes(engine: Engine, spec: Spec) -> None:
    with engine.create(spec) as container:
        pid = container.pid
    assert not Path(f"/proc/{pid}").exists()


def test_a_terminal_has_a_size_and_is_the_controlling_one(engine: Engine, spec: Spec) -> None:
    script = "stty size; tty; test -c /dev/console && echo console; read x; stty size"
    shell = running(spec, "sh", "-c", script, terminal=True, console_size=(24, 80))
    with engine.run(shell) as container:
        assert container.terminal is not None
        time.sleep(0.2)
        container.resize(30, 100)
        os.write(container.terminal, b"\n")
        text = read_all(container.terminal)
        assert "24 80" in text
        assert "/dev/pts/0" in text or "/dev/console" in text
        assert "console" in text
        assert "30 100" in text


def test_interrupts_reach_a_program_through_its_terminal(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container, container.exec(["sleep", "9"], terminal=True) as process:
        assert process.terminal is not None
        time.sleep(0.1)
        os.write(process.terminal, b"\x03")
        assert process.wait(10) == 128 + 2


def test_a_resize_without_a_terminal_is_refused(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container, pytest.raises(StateError, match="no terminal"):
        container.resize(1, 1)


def attempt(container: Container, script: str) -> str:
    return executed(container, "sh", "-c", script)[1]


def test_details_of_a_specification_arrive(engine: Engine, spec: Spec) -> None:
    from runtime.spec import IoPriority, Rlimit, Scheduler

    changed = replace(
        spec,
        domainname="example",
        linux=replace(
            spec.linux, sysctl={"net.ipv4.ip_default_ttl": "42", "kernel.msgmax": "8000"}
        ),
    )
    changed = running(
        changed, "sleep", "1000", umask=0o077,
        rlimits=(Rlimit(type="RLIMIT_CORE", soft=0, hard=4096),),
        scheduler=Scheduler(policy="SCHED_BATCH", nice=5),
        io_priority=IoPriority(io_class="IOPRIO_CLASS_IDLE"), oom_score_adj=500,
    )  # fmt: skip
    with engine.run(changed) as container:
        # by the host's view of the workload, the init's child
        child = Path(f"/proc/{container.pid}")
        assert "\nUmask:\t0077\n" in (child / "status").read_text()
        assert (child / "oom_score_adj").read_text() == "500\n"
        assert os.sched_getscheduler(container.pid) == os.SCHED_BATCH
        limits = (child / "limits").read_text()
        assert "Max core file size        0                    4096" in limits
        assert attempt(container, "cat /proc/sys/net/ipv4/ip_default_ttl") == "42\n"
        assert attempt(container, "cat /proc/sys/kernel/msgmax") == "8000\n"
        assert attempt(container, "cat /proc/sys/kernel/domainname") == "example\n"


def test_a_sysctl_of_the_host_is_refused(engine: Engine, spec: Spec) -> None:
    changed = replace(spec, linux=replace(spec.linux, sysctl={"vm.swappiness": "1"}))
    with pytest.raises(SpecError, match="swappiness"):
        engine.run(changed)


def test_landlock_shuts_what_is_not_named(engine: Engine, image: Image) -> None:
    from runtime.spec import Landlock

    spec = profiles.default(rootfs=image.root, args=["sleep", "1000"])
    rules = Landlock(read=("/usr", "/proc", "/dev"), write=("/dev/shm",))  # inside
    spec = replace(spec, linux=replace(spec.linux, landlock=rules))
    with engine.run(spec) as container:
        assert "denied" in attempt(container, "cat /etc/hostname /etc/passwd")
        assert attempt(container, "echo x > /dev/shm/x && cat /dev/shm/x") == "x\n"


def test_a_writable_layer_that_stays(engine: Engine, spec: Spec, tmp_path: Path) -> None:
    layer = tmp_path / "layer"
    kept = replace(spec, root=replace(spec.root, upper=layer))
    with engine.run(kept) as container:
        assert attempt(container, "echo kept > /note && cat /note") == "kept\n"
    with engine.run(kept) as container:
        assert attempt(container, "cat /note") == "kept\n"
    with engine.run(spec) as container:
        assert "No such file" in attempt(container, "cat /note")


def test_a_writable_layer_whose_root_has_another_owner_starts_again(
    engine: Engine, spec: Spec, tmp_path: Path
) -> None:
    kept = replace(spec, root=replace(spec.root, upper=tmp_path / "layer"))
    with engine.run(kept) as container:
        attempt(container, "chown 1000 /")
    with engine.run(kept) as container:
        assert attempt(container, "stat -c %u /") == "1000\n"


def test_a_writable_layer_that_stays_is_closed_to_others(
    engine: Engine, spec: Spec, tmp_path: Path
) -> None:
    layer = tmp_path / "layer"
    kept = replace(spec, root=replace(spec.root, upper=layer))
    with engine.run(kept) as container:
        attempt(container, "cp /bin/true /tool && chmod 4755 /tool")
    for folder in [*tmp_path.parents, tmp_path]:
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    (tool,) = layer.rglob("tool")
    assert tool.stat().st_mode & stat.S_ISUID
    with pytest.raises(PermissionError):
        subprocess.run([tool], user=65534, group=65534, extra_groups=(), check=False)


@pytest.mark.parametrize("name", ["layer", "layer/upper", "layer/work", "upper", "work"])
def test_a_link_for_a_writable_layer_is_not_followed(
    engine: Engine, spec: Spec, tmp_path: Path, name: str
) -> None:
    folder, victim = tmp_path / "kept", tmp_path / "victim"
    victim.mkdir(mode=0o750)
    (folder / name).parent.mkdir(parents=True)
    (folder / name).symlink_to(victim)
    before = victim.stat()
    kept = replace(spec, root=replace(spec.root, upper=folder))
    if name.startswith("layer"):
        with pytest.raises(SetupError, match="cannot make the writable layer"):
            engine.run(kept)
    else:
        engine.run(kept).delete()
    after = victim.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)
    assert list(victim.iterdir()) == []
