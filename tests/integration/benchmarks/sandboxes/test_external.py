"""Every external sandbox on the real kernel: what it starts, isolates and leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import MeasurementError, UnsuitableHostError
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
from benchmarks.sandboxes.capture import FirstByte
from benchmarks.sandboxes.external.client import start_error
from benchmarks.sandboxes.kinds.oci import groups_of
from runtime.cgroups import layout, usage
from tests.framework.external_sandboxes import MEMORY, traces, workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from benchmarks.sandboxes.external.sandbox import ExternalSandbox

LIMITED = ["oci:crun", "oci:runc", "floor"]
EXTERNAL = [*LIMITED, "oci:crun:no-cgroup", "floor:no-cgroup", "peer:bwrap", "peer:nspawn"]
#: Without systemd's services nspawn makes no user namespace over an image that it does not own.
WITHOUT_USERS = ("peer:nspawn",)
PROGRAMS = {"bwrap": "bwrap", "nspawn": "systemd-nspawn"}
BOTH = "memory.memsw.limit_in_bytes"
NAMESPACES = ("pid", "uts", "mnt", "ipc", "net", "user")


@pytest.fixture(scope="module")
def setting(image: Image) -> Iterator[Setting]:
    # below /run: a runtime's own id of root must be able to search the way to the bundle
    state = Path(f"/run/tare-test-{os.getpid()}")
    cpu = max(os.sched_getaffinity(0))
    yield Setting(
        resources=Resources(cpus=1, cpuset=(cpu,), memory_bytes=MEMORY),
        image_root=image.root,
        image=image,
        state=state,
        logs=state,
        seed=1,
    )
    shutil.rmtree(state, ignore_errors=True)


def open_external(name: str, setting: Setting) -> ExternalSandbox:
    kind, program = (*name.split(":"), "")[:2]
    wanted = {"oci": program, "peer": PROGRAMS.get(program)}.get(kind)
    if wanted and shutil.which(wanted) is None:
        pytest.skip(f"{wanted} is not installed")
    return open_sandbox(name, setting)  # type: ignore[return-value]


def status(folder: Path) -> dict[str, str]:
    lines = (folder / "status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@pytest.mark.parametrize("name", EXTERNAL)
def test_an_external_sandbox_starts_isolates_stops_and_leaves_nothing(
    name: str, setting: Setting
) -> None:
    with open_external(name, setting) as box:
        helper = box._helper.name
        with box.start() as instance:
            inside = workload(instance)
            said = status(inside)
            for kind in NAMESPACES:
                if kind == "user" and name in WITHOUT_USERS:
                    continue
                ours = Path(f"/proc/self/ns/{kind}").readlink()
                assert (inside / "ns" / kind).readlink() != ours
            assert said["Seccomp"] == "2"
            assert said["NoNewPrivs"] == "1"
            assert int(said["CapBnd"], 16) == 0x800405FB
            assert int(said["CapEff"], 16) == 0x800405FB
            assert (inside / "root/etc/passwd").is_file()
            assert (inside / "root/dev/null").is_char_device()
            assert instance.memory()["processes"] in {2, 3}
            stamps = instance.stamps
            assert stamps["requested"] < stamps["spawned"] < stamps["main"]
            instance.stop()
            assert instance.stamps["stop_asked"] < instance.stamps["stopped"]
            assert not inside.exists()
        assert box.leftovers() == []
    assert traces(helper) == []
    assert list((setting.state / name.replace(":", ".")).iterdir()) == []


@pytest.mark.parametrize("name", LIMITED)
def test_limits_hold_in_the_instances_own_group(name: str, setting: Setting) -> None:
    with open_external(name, setting) as box, box.start() as instance:
        groups = instance.started.groups
        if layout.current().v2:
            assert (groups["unified"] / "memory.max").read_text().strip() == str(MEMORY)
            assert (groups["unified"] / "cpu.max").read_text().split() == ["100000", "100000"]
        else:
            limit = groups["memory"] / "memory.limit_in_bytes"
            assert limit.read_text().strip() == str(MEMORY)
            assert (groups["cpu"] / "cpu.cfs_quota_us").read_text().strip() == "100000"
            assert (groups["pids"] / "pids.max").read_text().strip() == "512"
        assert len(instance.pids()) == 2
        assert usage.memory(groups) is not None


@pytest.mark.parametrize("name", [*LIMITED, "container"])
def test_no_swap_comes_beside_the_memory(
    name: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.sandboxes.limits.swap_bytes", lambda: 0)
    if layout.current().v1 and not Path(layout.current().v1["memory"], BOTH).exists():
        pytest.skip("this kernel does not count swap space")
    with open_external(name, setting) as box, box.start() as instance:
        (pid, *_) = instance.pids()
        groups = groups_of(pid)
        if layout.current().v2:
            assert (groups["unified"] / "memory.swap.max").read_text().strip() == "0"
        else:
            assert (groups["memory"] / BOTH).read_text().strip() == str(MEMORY)


@pytest.mark.parametrize("name", ["oci:crun", "oci:runc", "oci:crun:no-cgroup"])
def test_a_command_runs_under_the_same_restrictions(name: str, setting: Setting) -> None:
    with open_external(name, setting) as box, box.start() as instance:
        script = "grep -E 'NoNewPrivs|Seccomp:|CapBnd' /proc/self/status; echo $HOME; exit 7"
        done = instance.run(["/bin/busybox", "sh", "-c", script], timeout_s=20)
        assert done.exit_code == 7
        assert done.stdout.decode().split() == [
            "CapBnd:", "00000000800405fb", "NoNewPrivs:", "1", "Seccomp:", "2", "/root",
        ]  # fmt: skip
        echoed = instance.run(["/bin/busybox", "cat"], timeout_s=20, stdin=b"through")
        assert echoed.stdout == b"through"
        idle = sorted(instance.pids())
        with pytest.raises(MeasurementError, match="did not end within"):
            instance.run(["/bin/busybox", "sleep", "60"], timeout_s=0.5)
        assert sorted(instance.pids()) == idle


@pytest.mark.parametrize("name", ["floor", "peer:bwrap", "peer:nspawn"])
def test_what_cannot_run_a_command_says_so(name: str, setting: Setting) -> None:
    with (
        open_external(name, setting) as box,
        box.start() as instance,
        pytest.raises(MeasurementError, match=f"{name} cannot run /bin/true"),
    ):
        instance.run(["/bin/true"], timeout_s=5)


def test_a_runtime_that_is_not_installed_is_absent_with_the_reason(setting: Setting) -> None:
    with pytest.raises(UnsuitableHostError, match="'no-such-runtime', which is not installed"):
        open_sandbox("oci:no-such-runtime", setting)


def test_a_runtime_that_refuses_is_absent_with_its_own_words(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "grumpy"
    broken.write_text("#!/bin/sh\necho 'not on a Monday' >&2\nexit 1\n")
    broken.chmod(0o755)
    tmp_path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with (
        pytest.raises(UnsuitableHostError, match="not on a Monday"),
        open_external("oci:grumpy", setting),
    ):
        pass
    assert list((setting.state / "oci.grumpy").iterdir()) == []


@pytest.mark.parametrize("name", ["oci:crun", "oci:runc", "floor", "peer:bwrap", "peer:nspawn"])
def test_a_killed_harness_takes_its_instances_along(name: str, setting: Setting) -> None:
    program = f"""
import time
from pathlib import Path
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Setting
resources = Resources(cpus=1, cpuset={setting.resources.cpuset}, memory_bytes={MEMORY})
state = Path({str(setting.state)!r}) / "killed"
setting = Setting(resources, Path({str(setting.image_root)!r}), None, state, state, 1)
with open_sandbox({name!r}, setting) as box, box.start() as instance:
    print(box._helper.name, *instance.pids(), flush=True)
    time.sleep(60)
"""
    open_external(name, setting)  # skips where it is not installed
    harness = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert harness.stdout is not None
    helper, *pids = harness.stdout.readline().decode().split()
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    harness.stdout.close()
    assert pids
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        left = list((setting.state / "killed" / name.replace(":", ".")).iterdir())
        if not alive and not left and not traces(helper):
            return
        time.sleep(0.1)
    raise AssertionError(f"left: {alive} {left} {traces(helper)}")


@pytest.mark.parametrize("after", ["before-it-is-found", "before-its-groups-are-read"])
def test_of_a_process_that_ends_right_after_its_byte_nothing_is_left(
    after: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_external("oci:crun", setting) as box:
        ask = box._helper.ask

        def gone(pid: int) -> None:
            raise FileNotFoundError(2, "No such file or directory", f"/proc/{pid}/cgroup")

        def unfound(verb: str, *args: object, **fields: object) -> object:
            if verb == "pids":
                raise MeasurementError("No such process")
            return ask(verb, *args, **fields)  # type: ignore[arg-type]

        with monkeypatch.context() as patched:
            if after == "before-it-is-found":
                patched.setattr(box._helper, "ask", unfound)
            else:
                patched.setattr("benchmarks.sandboxes.kinds.oci.groups_of", gone)
            with pytest.raises(MeasurementError, match=r"oci:crun did not start: .*[Nn]o such"):
                box.start()
        assert box.leftovers() == []
        with box.start():
            pass


@pytest.mark.parametrize("name", ["oci:crun", "peer:bwrap", "peer:nspawn"])
def test_of_a_workload_that_never_speaks_nothing_goes_on(
    name: str, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = FirstByte.stamp

    def silent(first: FirstByte, timeout_s: float) -> None:
        stamp(first, timeout_s)

    with open_external(name, setting) as box:
        served = box._helper._process.pid
        with monkeypatch.context() as patched:
            patched.setattr(FirstByte, "stamp", silent)
            with pytest.raises(MeasurementError, match=f"{name} did not start: its workload never"):
                box.start()
        deadline = time.monotonic() + 5
        while usage.descendants(served) != [served] and time.monotonic() < deadline:
            time.sleep(0.01)
        assert usage.descendants(served) == [served]


def test_a_workload_that_never_speaks_is_told_from_a_runtime_that_refuses() -> None:
    output = os.memfd_create("output")
    os.write(output, b"warning: something\n")
    silent, refusal, slow = (start_error(output, status) for status in (0, 1, None))
    os.close(output)
    assert str(silent) == "its workload never ran its first instruction"
    assert (silent.timed_out, refusal.timed_out, slow.timed_out) == (True, False, True)
    assert str(refusal) == "warning: something"
