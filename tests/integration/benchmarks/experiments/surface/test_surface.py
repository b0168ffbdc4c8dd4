"""The attack surface of real sandboxes, and of planted holes in a container's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

import runtime
from benchmarks.experiments import surface
from benchmarks.experiments.surface import offline, trace
from benchmarks.experiments.surface.tracer import pid_namespace
from benchmarks.sandboxes.kinds.container import ContainerInstance
from runtime import seccomp
from runtime.spec import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image


@pytest.fixture(scope="module")
def engine() -> Iterator[runtime.Engine]:
    with tempfile.TemporaryDirectory() as folder, runtime.Engine(state=Path(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def default(image: Image) -> runtime.Spec:
    return profiles.default(rootfs=image.root, args=["/bin/busybox", "sleep", "1000"])


@contextmanager
def started(engine: runtime.Engine, spec: runtime.Spec) -> Iterator[ContainerInstance]:
    with engine.run(spec) as container:
        yield ContainerInstance(container, {})
        container.kill()


@pytest.fixture(scope="module")
def found(engine: runtime.Engine, default: runtime.Spec) -> surface.Surface:
    with started(engine, default) as instance:
        return surface.measure(instance)


@pytest.fixture
def traced(found: surface.Surface) -> surface.Surface:
    """Skip, with the host's reason, where its tracepoints cannot be used."""
    why = found.errors.get("calls", "")
    if "cannot be traced on this host" in why:
        pytest.skip(f"not here: {why}")
    return found


@pytest.mark.usefixtures("traced")
def test_a_container_makes_calls_of_the_host_and_nothing_errs(found: surface.Surface) -> None:
    assert found.errors.keys() <= {"functions"}  # a host may lock its function tracer up
    assert bool(found.functions) is not ("functions" in found.errors)
    assert {"openat", "read", "write", "execve", "socket"} <= found.calls.keys()
    assert "mount" not in found.calls  # that is the set-up's
    assert len(set(found.done)) == 7


@pytest.mark.usefixtures("traced")
def test_both_scans_agree_on_the_filter(found: surface.Surface) -> None:
    """What was answered inside had passed the filter; what the filter stopped was refused."""
    assert found.entered is not None
    refused = {"EPERM", "ENOSYS"}
    reached = {name for name, answer in found.answers.items() if answer not in refused}
    assert reached - set(found.entered) == set()
    assert {found.answers[name] for name in found.answers.keys() - {*found.entered}} <= refused
    assert {"mount", "bpf", "keyctl", "io_uring_setup"}.isdisjoint(found.entered)


@pytest.mark.usefixtures("traced")
def test_the_evaluated_filter_is_the_one_that_the_kernel_runs(found: surface.Surface) -> None:
    """Calls without a name here are left out of both."""
    assert found.entered is not None
    watched = {name for name in found.entered if not name.startswith("number ")}
    assert set(offline.passing("default")) == watched


def test_no_new_privs_left_out_is_noticed(
    engine: runtime.Engine, default: runtime.Spec, found: surface.Surface
) -> None:
    with started(engine, profiles.without(default, "no_new_privs")) as instance:
        without = surface.measure(instance)
    assert (found.status["NoNewPrivs"], without.status["NoNewPrivs"]) == ("1", "0")


@pytest.mark.usefixtures("traced")
def test_a_filter_left_out_is_noticed(
    engine: runtime.Engine, default: runtime.Spec, found: surface.Surface
) -> None:
    with started(engine, profiles.without(default, "seccomp")) as instance:
        without = surface.measure(instance)
    assert (found.status["Seccomp"], without.status["Seccomp"]) == ("2", "0")
    assert without.entered is not None
    assert {"mount", "bpf", "keyctl"} <= set(without.entered)


@pytest.mark.usefixtures("traced")
def test_one_call_that_a_filter_lets_pass_is_counted(
    engine: runtime.Engine, default: runtime.Spec, found: surface.Surface
) -> None:
    looser = seccomp.to_object("default")
    looser["syscalls"].append({"names": ["add_key"], "action": "SCMP_ACT_ALLOW"})
    linux = replace(default.linux, seccomp=None, seccomp_object=looser)
    with started(engine, replace(default, linux=linux)) as instance:
        more = surface.measure(instance)
    assert found.entered is not None
    assert more.entered is not None
    assert {*more.entered} - {*found.entered} == {"add_key"}
    assert (found.answers["add_key"], more.answers["add_key"]) == ("EPERM", "EINVAL")


def test_one_more_capability_is_noticed(
    engine: runtime.Engine, default: runtime.Spec, found: surface.Surface
) -> None:
    held = default.process.capabilities
    assert held is not None
    process = replace(default.process, capabilities=(*held, "CAP_SYS_PTRACE"))
    with started(engine, replace(default, process=process)) as instance:
        more = surface.measure(instance)
    added = int(more.status["CapEff"], 16) & ~int(found.status["CapEff"], 16)
    assert added == 1 << 19


@pytest.mark.usefixtures("traced")
def test_calls_are_counted_in_a_pid_namespace_of_its_own(tmp_path: Path) -> None:
    """As on a CI runner in a container: tracepoints know the first namespace's numbers alone."""
    program = tmp_path / "program.py"
    program.write_text(
        "import os, subprocess\n"
        "from benchmarks.experiments.surface.trace import recording\n"
        "cat = subprocess.Popen(['/bin/cat'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "with recording([cat.pid]) as trace:\n"
        "    cat.communicate(b'a word')\n"
        "assert len(trace.traced) == 1, trace.traced\n"
        "assert cat.pid not in trace.traced\n"
        "assert {call.pid for call in trace.calls()} == trace.traced, trace.events\n"
    )
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    done = subprocess.run(
        [*unshare, sys.executable, str(program)],
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_tracer_of_another_pid_namespace_is_left_alone() -> None:
    """Whether it still runs cannot be seen from here."""
    script = 'exec "$0" -I -S "$1" abcdabcdabcd 64 $$'
    unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(
        [*unshare, sys.executable, str(trace._TRACER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as tracer:
        assert tracer.stdout is not None
        if tracer.stdout.readline().split()[0] != "tracing":
            pytest.skip("not here: the host refuses its tracepoints")
        assert [left for left in surface.leftovers() if "abcdabcdabcd" in left] == []


def test_what_a_killed_tracer_left_is_found_and_removed() -> None:
    """Only its own: other tracers of this project may be at work on this host."""
    tracer = subprocess.Popen(
        [sys.executable, "-I", "-S", trace._TRACER, "feedfeedfeed", "64", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert tracer.stdout is not None
    assert tracer.stdout.readline().split()[0] == "tracing"
    mine = f"trace tare-trace-{tracer.pid}-{pid_namespace()}-feedfeedfeed"
    assert mine not in surface.leftovers()
    tracer.send_signal(signal.SIGKILL)
    tracer.wait()
    assert mine in surface.leftovers()
    assert mine in surface.clean()
    assert mine not in surface.leftovers()


def test_a_tracer_ends_with_the_harness() -> None:
    program = (
        "import os, signal\n"
        "from benchmarks.experiments.surface.trace import recording\n"
        "with recording([os.getpid()]):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    before = {process.pid for process in tracers()}
    subprocess.run([sys.executable, "-c", program], check=False)
    gone, alive = psutil.wait_procs([p for p in tracers() if p.pid not in before], timeout=5)
    assert alive == []
    assert [left for left in surface.leftovers() if any(f"-{p.pid}-" in left for p in gone)] == []


def tracers() -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [one for one in found if str(trace._TRACER) in (one.info["cmdline"] or [])]
