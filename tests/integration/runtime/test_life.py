"""Start, look, stop, delete; and what goes wrong on the way."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import Engine, ExecError, Mount, SetupError, Spec, StateError
from runtime.spec import profiles
from tests.integration.runtime.conftest import executed, output

if TYPE_CHECKING:
    from benchmarks.image import Image


def shell(spec: Spec, script: str) -> Spec:
    return replace(spec, process=replace(spec.process, args=("sh", "-c", script)))


def test_exit_status_and_output(engine: Engine, spec: Spec) -> None:
    assert output(engine, shell(spec, "echo out; echo err >&2; exit 3")) == (3, "out\nerr\n")


def test_death_by_signal_reads_as_a_shell_has_it(engine: Engine, spec: Spec) -> None:
    assert output(engine, shell(spec, "kill -KILL $$"))[0] == 128 + signal.SIGKILL


def test_stamps_are_in_order(engine: Engine, spec: Spec) -> None:
    before = time.monotonic_ns()
    with engine.run(spec) as container:
        stamps = container.stamps
        assert before <= stamps["requested"] <= stamps["spawned"] <= stamps["ready"]
        assert stamps["ready"] <= time.monotonic_ns()
        assert container.stop(5) == 128 + signal.SIGTERM
        assert stamps["ready"] < stamps["stop_asked"] < stamps["stopped"]


def test_extra_descriptor_reaches_the_workload(engine: Engine, spec: Spec) -> None:
    ours, theirs = os.pipe()
    with engine.run(shell(spec, "printf m >&3; sleep 100"), extra_fds={3: theirs}):
        os.close(theirs)
        assert os.read(ours, 1) == b"m"
    os.close(ours)


def test_limits_are_in_place_before_the_workload_runs(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        if "unified" in container.cgroup_paths:
            pytest.skip("read by other names on cgroup v2")
        paths = container.cgroup_paths
        assert (paths["memory"] / "memory.limit_in_bytes").read_text().strip() == str(256 << 20)
        assert (paths["cpu"] / "cpu.cfs_quota_us").read_text().strip() == "100000"
        assert (paths["pids"] / "pids.max").read_text().strip() == "64"
        for folder in paths.values():
            assert str(container.pid) in (folder / "cgroup.procs").read_text().split()


def test_usage_is_read(engine: Engine, spec: Spec) -> None:
    busy = shell(spec, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; sleep 100")
    with engine.run(busy) as container:
        deadline = time.monotonic() + 5
        while len(container.pids()) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(container.pids()) == 2
        while (container.cpu_time_s() or 0) < 0.02 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (container.cpu_time_s() or 0) >= 0.02
        memory = container.memory()
        assert memory is not None
        assert memory.usage_bytes
        assert memory.peak_bytes is None or memory.peak_bytes >= memory.usage_bytes // 2


def test_exec_shares_namespaces_limits_and_privileges(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        code, text = executed(
            container, "sh", "-c", "cat /proc/self/cgroup; readlink /proc/self/ns/*; "
            "grep -E 'CapEff|NoNewPrivs|Seccomp:' /proc/self/status"
        )  # fmt: skip
        assert code == 0
        links = [str(entry.readlink()) for entry in Path(f"/proc/{container.pid}/ns").iterdir()]
        for link in links:
            assert link in text
        assert "CapEff:\t00000000800405fb" in text
        assert "NoNewPrivs:\t1" in text
        assert "Seccomp:\t2" in text


def test_exec_gives_exit_status_and_ends_with_the_container(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        assert executed(container, "sh", "-c", "exit 9")[0] == 9
        process = container.exec(["sleep", "1000"])
        container.stop(5)
        assert process.wait(5) == 128 + signal.SIGKILL
        process.close()
        with pytest.raises(StateError, match="not running"):
            container.exec(["true"])


def test_missing_program_is_named_and_nothing_is_left(engine: Engine, spec: Spec) -> None:
    with pytest.raises(ExecError, match="executable file 'absent' not found"):
        engine.run(replace(spec, process=replace(spec.process, args=("absent",))), id="x")
    with engine.run(spec, id="x") as container:
        with pytest.raises(ExecError, match="/bin/absent"):
            container.exec(["/bin/absent"])
        assert executed(container, "true")[0] == 0


def test_id_in_use_is_refused(engine: Engine, spec: Spec) -> None:
    with engine.run(spec, id="same"), pytest.raises(StateError, match="in use"):
        engine.run(spec, id="same")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b"])
def test_unusable_id_is_refused(engine: Engine, spec: Spec, name: str) -> None:
    with pytest.raises(StateError, match="cannot be an id"):
        engine.run(spec, id=name)


def test_refused_step_is_named(engine: Engine, spec: Spec) -> None:
    wrong = Mount(destination="/x", type="nosuchfs")
    with pytest.raises(SetupError, match="mount a fresh nosuchfs on /x"):
        engine.run(replace(spec, mounts=(*spec.mounts, wrong)))


def test_delete_is_idempotent(engine: Engine, spec: Spec) -> None:
    container = engine.run(spec)
    container.delete()
    container.delete()
    assert container.stop() == 128 + signal.SIGKILL  # as it ended


def test_child_that_ignores_sigterm_is_killed_after_the_grace(engine: Engine, spec: Spec) -> None:
    ours, theirs = os.pipe()
    script = "trap '' TERM; printf r >&3; while :; do sleep 1; done"
    with engine.run(shell(spec, script), extra_fds={3: theirs}) as container:
        assert os.read(ours, 1) == b"r"
        begin = time.monotonic()
        assert container.stop(0.3) == 128 + signal.SIGKILL
        assert 0.3 <= time.monotonic() - begin < 3


def test_writes_stay_in_the_container(engine: Engine, spec: Spec, image: Image) -> None:
    script = "echo mine > /etc/hostname-of-test && rm /bin/sleep && cat /etc/hostname-of-test"
    assert output(engine, shell(spec, script)) == (0, "mine\n")
    assert (image.root / "bin/sleep").exists()
    assert not (image.root / "etc/hostname-of-test").exists()
    assert output(engine, shell(spec, "test -e /bin/sleep"))[0] == 0


def test_native_sees_the_host_and_has_no_group(engine: Engine, image: Image) -> None:
    native = profiles.native(rootfs=image.root, args=["sh", "-c", "readlink /proc/self/ns/pid"])
    assert output(engine, native) == (0, str(Path("/proc/self/ns/pid").readlink()) + "\n")
    sleeping = replace(
        native, process=replace(native.process, args=("sh", "-c", "sleep 99 & wait"))
    )
    with engine.run(sleeping) as container:
        assert container.cgroup_paths == {}
        assert container.memory() is None
        assert executed(container, "true")[0] == 0
        time.sleep(0.1)
        children = container.pids()
        assert len(children) == 2
    deadline = time.monotonic() + 5
    while any(alive := [Path(f"/proc/{pid}").exists() for pid in children]):
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def test_native_is_limited_once_for_all(state: Path, image: Image) -> None:
    program = "import os; print(os.sched_getaffinity(0)); print(open('/proc/self/cgroup').read())"
    native = profiles.native(rootfs=image.root, args=["python3", "-c", program])
    with Engine(state, affinity={0}, memory_limit_bytes=512 << 20) as engine:
        status, text = output(engine, native)
        assert status == 0
        assert text.startswith("{0}\n")
        assert f"{engine.name}/spawner" in text


def test_an_image_below_a_private_directory_works(
    engine: Engine, image: Image, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir(mode=0o700)
    root = hidden / "root/bin"
    root.mkdir(parents=True)
    (root / "busybox").write_bytes(image.busybox.read_bytes())
    (root / "busybox").chmod(0o755)
    private = profiles.default(rootfs=hidden / "root", args=["/bin/busybox", "echo", "fine"])
    assert output(engine, private) == (0, "fine\n")


@pytest.mark.parametrize("option", ["rw", "ro"])
def test_a_bind_of_a_private_directory(
    engine: Engine, spec: Spec, tmp_path: Path, option: str
) -> None:
    source = tmp_path / "private/data"
    source.mkdir(parents=True)
    source.parent.chmod(0o700)
    source.chmod(0o777)
    (source / "file").write_text("shared\n")
    bind = Mount(destination="/data", type="bind", source=str(source), options=("bind", option))
    script = "cat /data/file; touch /data/new 2>/dev/null && echo written || echo refused"
    bound = replace(shell(spec, script), mounts=(*spec.mounts, bind))
    expected = "written" if option == "rw" else "refused"
    assert output(engine, bound) == (0, f"shared\n{expected}\n")


def test_a_missing_bind_source_is_named(engine: Engine, spec: Spec) -> None:
    bind = Mount(destination="/data", type="bind", source="/no/such/source", options=("bind",))
    with pytest.raises(SetupError, match="/no/such/source"):
        engine.run(replace(spec, mounts=(*spec.mounts, bind)))


def test_a_mounted_cgroup_file_system_shows_no_group_above_and_is_read_only(
    engine: Engine, spec: Spec
) -> None:
    script = (
        "cat /sys/fs/cgroup/cgroup.procs >&2; mkdir /sys/fs/cgroup/x; grep ^0: /proc/self/cgroup"
    )
    mounts = dict.fromkeys((*spec.mounts, profiles.CGROUP_MOUNT))
    status, text = output(engine, shell(replace(spec, mounts=tuple(mounts)), script))
    assert status == 0
    assert "Read-only file system" in text
    assert text.endswith("0::/\n")
