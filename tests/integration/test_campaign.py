"""Campaigns over real containers and a real guest."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from benchmarks.results import runfolder
from benchmarks.results.records import Status
from tests.framework.campaign_turn import await_turn
from tests.framework.own_state import tare as own_command

if TYPE_CHECKING:
    from benchmarks.image import Image
    from benchmarks.results.runfolder import Run

pytestmark = pytest.mark.campaigns

TARE = [sys.executable, "-m", "tare"]


def tare(*args: object) -> subprocess.CompletedProcess[str]:
    await_turn()
    return ended(*TARE, *args)


def ended(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
        stdin=subprocess.DEVNULL,
    )


def wait_until(condition: object, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def run(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One block of everything the main job measures, in all three sandboxes."""
    del image
    out = tmp_path_factory.mktemp("campaign") / "run"
    done = tare("run", "quick", "--blocks", 1, "--out", out)
    assert done.returncode == 0, done.stderr
    return runfolder.load(out)


@pytest.mark.parametrize("sandbox", ["native", "container"])
def test_a_shell_runs_lines_in_a_sandbox(image: Image, sandbox: str) -> None:
    del image
    await_turn()
    done = subprocess.run(
        [*TARE, "shell", sandbox],
        input="echo in $((20 + 1))\ncd /tmp && pwd\ncat\nexit 7 # a line, not the end\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.stdout == "in 21\n/tmp\n"
    assert done.returncode == 7


def test_all_three_sandboxes_were_measured_without_a_failure(run: Run) -> None:
    assert [box.name for box in run.info.sandboxes] == ["native", "container", "vm"]
    assert [s for s in run.samples if s.status in {Status.FAILED, Status.TIMEOUT}] == []


def test_one_file_has_the_same_checksum_in_all_three(run: Run, image: Image) -> None:
    digests = {s.sandbox: s.text for s in run.samples if s.workload == "checksum"}
    assert set(digests) == {"native", "container", "vm"}
    assert len(set(digests.values())) == 1
    assert run.info.image is not None
    assert run.info.image["digest"] == image.digest


def test_the_boundaries_of_a_start_follow_each_other(run: Run) -> None:
    for box in run.info.sandboxes:
        found = {
            s.metric: s.value for s in run.samples if s.sandbox == box.name and s.value is not None
        }
        ladder = [found[f"startup_{name}_s"] for name in box.boundaries]
        assert ladder == sorted(ladder), box.name
        assert ladder[0] > 0


def test_only_an_emulated_guest_is_inadmissible(run: Run) -> None:
    admissible = {box.name: box.admissible_cpu for box in run.info.sandboxes}
    assert admissible["native"]
    assert admissible["container"]
    vm = next(box for box in run.info.sandboxes if box.name == "vm")
    assert vm.admissible_cpu == (vm.accelerator != "tcg")


def test_the_run_says_how_each_sandbox_was_limited(run: Run) -> None:
    assert set(run.info.resources.enforced) == {"native", "container", "vm"}
    assert len(run.info.resources.cpuset) == run.info.resources.cpus


def test_a_guest_is_configured_on_record(run: Run) -> None:
    assert "<domain" in (run.path / "logs" / "vm-domain.xml").read_text()
    assert "qemu" in (run.path / "logs" / "vm-qemu-argv.txt").read_text()


def test_a_guest_is_charged_to_a_cgroup_as_a_container_is(run: Run) -> None:
    charged = {s.sandbox: s.value for s in run.samples if s.metric == "cgroup_bytes"}
    assert (charged["vm"] or 0) > (charged["container"] or 0) > 0
    vm = next(box for box in run.info.sandboxes if box.name == "vm")
    assert vm.details["limits"]["cpu_quota_cpus"] == run.info.resources.cpus


def test_probes_were_judged_in_every_sandbox(run: Run) -> None:
    words: dict[str, dict[str, str | None]] = {}
    for sample in run.samples:
        if sample.workload == "leaks":
            words.setdefault(sample.sandbox, {})[sample.metric] = sample.text
    assert set(words) == {"native", "container", "vm"}
    assert words["native"]["boot-id"] == "shared-live"
    assert words["container"]["hostname"] == "namespaced"
    assert "shared-live" not in words["vm"].values()


@pytest.mark.timeout(600)
def test_a_killed_campaign_leaves_no_process_and_resumes(
    image: Image, tmp_path: Path, own_state: Path
) -> None:
    del image
    out, command = tmp_path / "run", own_command(own_state)
    args = ["run", "startup", "-s", "container", "-s", "vm", "--blocks", "3", "--out", str(out)]
    process = subprocess.Popen(
        [*command, *args],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = out / "samples.jsonl"
    assert wait_until(lambda: journal.exists() and b'"vm"' in journal.read_bytes(), 300)
    time.sleep(1.0)
    family = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_until(lambda: not ours(family, process.pid), 60), ours(family, process.pid)
    cleaned = ended(*command, "clean")
    assert cleaned.returncode == 0, cleaned.stderr
    assert not any(own_state.glob("*/tare-*"))
    kept = {(v.block, v.sandbox) for v in runfolder.load(out).visits}
    assert len(kept) < 6
    resumed = ended(*command, "run", "--resume", str(out))
    assert resumed.returncode == 0, resumed.stderr
    run = runfolder.load(out)
    assert len(run.visits) == 6
    assert not any(own_state.glob("*/*.json"))


LONG = """\
name = "long"
title = "sysbench cpu, for longer"
command = ["/usr/bin/sysbench", "cpu", "--threads={cpus}", "--time={seconds}", "run"]
seconds = 5
timeout_s = 120
pattern = 'events per second:\\s+(?P<rate>[0-9.]+)\\n(?s:.*)of events:\\s+(?P<events>\\d+)\\n'
"""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_campaign_that_is_asked_to_stop_does_so_in_the_middle_of_a_workload(
    image: Image,
    tmp_path: Path,
    own_state: Path,
    number: signal.Signals,
) -> None:
    del image
    out, command = tmp_path / "run", own_command(own_state)
    (tmp_path / "long.toml").write_text(LONG)
    args = ["run", "smoke", "-s", "container", "-w", str(tmp_path / "long.toml"), "--blocks", "2"]
    process = subprocess.Popen(
        [*command, *args, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert wait_until(lambda: process.poll() is not None or working(process.pid), 300)
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert f"tare run --resume {out}" in said
    assert "Traceback" not in said
    assert wait_until(lambda: not ours(family, process.pid), 60), ours(family, process.pid)
    cleaned = ended(*command, "clean")
    assert (cleaned.stdout, cleaned.stderr) == ("", "nothing was left behind\n")
    resumed = ended(*command, "run", "--resume", str(out))
    assert resumed.returncode == 0, resumed.stderr
    assert len(runfolder.load(out).visits) == 2


def working(pid: int) -> bool:
    """Tell whether a workload runs in a sandbox of this campaign."""
    for child in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # a process of a start that has ended
            if child.name() == "sysbench":
                return True
    return False


def alive(process: psutil.Process) -> bool:
    """Tell whether a process has not ended, be it unreaped."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ours(family: list[psutil.Process], campaign: int) -> list[str]:
    """Name what is still running of a killed campaign: its children, and any guest of its own."""
    guest = f"guest=tare-{campaign}-"  # others may run campaigns on this host
    found = [str(process) for process in family if alive(process)]
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and Path(words[0]).name.startswith("qemu") and any(guest in w for w in words):
            found.append(" ".join(words)[:80])
    return found
