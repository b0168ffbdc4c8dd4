"""SIGKILL, SIGTERM, SIGHUP and a full disk at seeded moments: nothing lost, nothing left.

``SEEDS=50`` makes the long run, at whose end stands a table; ``VM_EVERY=1`` has a VM in each of its
seeds, and not in every fifth.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.results import runfolder
from tests.framework.own_state import tare
from tests.integration.faults import ROW
from tests.integration.faults.traces import Watch

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.campaigns, pytest.mark.timeout(900)]

SEEDS = int(os.environ.get("SEEDS", "4"))
VM_EVERY = int(os.environ.get("VM_EVERY", "5"))
_LONGEST_S = 400.0
FAULTS = ("SIGKILL", "SIGTERM", "SIGHUP", "a full disk")
BLOCKS = 2

#: In a mount namespace of its own: nobody else sees the small disk.
FULL = """
set -e
mount -t tmpfs -o size="$1"k none "$2"
out=$2 kept=$3; shift 3
if "$@" run --no-report campaign.toml --out "$out/run"; then
    cp -r "$out/run" "$kept"
    exit 9
fi
mount -o remount,size=64m "$out"
if [ -e "$out/run/run.json" ]; then "$@" run --no-report --resume "$out/run"
else "$@" run --no-report campaign.toml --out "$out/run"; fi
cp -r "$out/run" "$kept"
"""


def write_campaign(sandboxes: list[str]) -> None:
    names = ", ".join(f'"{name}"' for name in sandboxes)
    Path("campaign.toml").write_text(
        f'name = "faults"\nsandboxes = [{names}]\nworkloads = ["startup", "checksum"]\n'
        f"blocks_min = {BLOCKS}\nblocks_max = {BLOCKS}\nsettle_s = 0.0\n"
    )


def closed(out: Path) -> int:
    try:
        return (out / "samples.jsonl").read_bytes().count(b'"type":"visit"')
    except OSError:
        return 0


def end(
    command: list[str], out: Path, sandboxes: list[str], number: signal.Signals, dice: random.Random
) -> str:
    """Send the signal at a seeded moment; how far it had come."""
    visits = dice.randrange(4)
    pause_s = dice.uniform(0, 2.0 if visits == 0 else 0.3)
    with subprocess.Popen(
        [*command, "run", "--no-report", "campaign.toml", "--out", str(out)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        while closed(out) < visits and process.poll() is None:
            time.sleep(0.01)
        time.sleep(pause_s)
        process.send_signal(number)
        _, said = process.communicate(timeout=_LONGEST_S)
    if number is signal.SIGKILL:
        assert process.returncode in {-9, 0}
    elif process.returncode == -number:
        assert not (out / "run.json").exists(), "ended before Python had set it up"
    else:
        assert process.returncode in {130, 0}, said
        if f"tare run --resume {out}" in said:
            assert (out / "run.json").exists()
        else:  # nothing to go on with: not begun, or whole
            whole = BLOCKS * len(sandboxes)
            assert not (out / "run.json").exists() or closed(out) == whole, said
    return f"{closed(out)} visits + {pause_s:.2f} s"


def fill(command: list[str], out: Path, disk: Path, dice: random.Random) -> str:
    """Let the disk be full at a seeded moment, and go on once it is not; how far it had come."""
    size = dice.randrange(4, 28, 4)
    disk.mkdir()
    words = [str(size), str(disk), str(out), *command]
    done = run(["unshare", "--mount", "sh", "-c", FULL, "sh", *words])
    assert done.returncode in {0, 9}, done.stderr
    assert "Traceback" not in done.stderr
    return f"{size} KiB" if done.returncode == 0 else f"{size} KiB, fitted"


def go_on(command: list[str], out: Path) -> None:
    begun = (out / "run.json").exists()
    words = ["--resume", str(out)] if begun else ["campaign.toml", "--out", str(out)]
    done = run([*command, "run", "--no-report", *words])
    assert done.returncode == 0, done.stderr


def lost(out: Path, sandboxes: list[str]) -> list[str]:
    """Visits that the run lacks, or has twice."""
    keys = Counter((visit.block, visit.sandbox, visit.part) for visit in runfolder.load(out).visits)
    wanted = Counter((block, name, "start") for block in range(BLOCKS) for name in sandboxes)
    missing, further = wanted - keys, keys - wanted
    return [f"missing {key}" for key in missing] + [f"too often {key}" for key in further]


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST_S)


@pytest.mark.usefixtures("image")  # built before, so that no seed hits its build
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_fault_loses_nothing_and_leaves_nothing(
    seed: int,
    own_state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    dice = random.Random(20261201 + seed)
    fault = FAULTS[seed % len(FAULTS)]
    sandboxes = ["native", "container", *(["vm"] if seed % VM_EVERY == 0 else [])]
    write_campaign(sandboxes)
    out, command, reached = tmp_path / "run", tare(own_state), "failed"
    differences = ["the test failed"]
    try:
        with Watch(own_state) as watch:
            if fault == "a full disk":
                reached = fill(command, out, tmp_path / "disk", dice)
                differences = []
            else:
                reached = end(command, out, sandboxes, signal.Signals[fault], dice)
                differences = watch.left() if fault != "SIGKILL" else []
                go_on(command, out)
        assert watch.names
        differences += [*lost(out, sandboxes), *watch.left()]
        cleaned = run([*command, "clean"])
        if (cleaned.stdout, cleaned.stderr) != ("", "nothing was left behind\n"):
            differences.append(f"clean: {cleaned.stdout}{cleaned.stderr}")
    finally:
        record_property(ROW, (seed, fault, ", ".join(sandboxes), reached, len(differences)))
    assert differences == []
