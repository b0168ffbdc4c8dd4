"""SIGKILL, SIGTERM, SIGHUP and a full disk at seeded moments: nothing lost, nothing left.

``SEEDS=50`` makes the long run; each seed prints one line of its table (``pytest -s``).
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.results import runfolder
from tests.integration.faults.traces import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

pytestmark = [pytest.mark.campaigns, pytest.mark.timeout(300)]

SEEDS = int(os.environ.get("SEEDS", "4"))
FAULTS = ("SIGKILL", "SIGTERM", "SIGHUP", "a full disk")
BLOCKS = 2

#: The campaign's own state folder: the host's may be a real campaign's.
TARE = """
import sys
from pathlib import Path
from tare import cli, measure
from tare.commands import clean
state = Path(sys.argv[1])
measure.state_folder = clean.state_folder = lambda: state
cli.main(sys.argv[2:])
"""

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


@pytest.fixture
def state() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="tf-", dir="/run"))
    yield folder
    shutil.rmtree(folder)


def tare(state: Path) -> list[str]:
    return [sys.executable, "-c", TARE, str(state)]


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


def end(command: list[str], out: Path, number: signal.Signals, dice: random.Random) -> str:
    """Send the signal at a seeded moment; how far it had come, and how it ended."""
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
        _, said = process.communicate(timeout=120)
    reached = f"{closed(out)} visits"
    if number is signal.SIGKILL:
        assert process.returncode in {-9, 0}
    elif process.returncode == -number:
        assert not (out / "run.json").exists(), "ended before Python had set it up"
    else:
        assert process.returncode in {130, 0}, said
        hinted = f"tare run --resume {out}" in said
        assert hinted == (process.returncode == 130 and (out / "run.json").exists()), said
    return reached


def expected(sandboxes: list[str]) -> Counter[tuple[int, str, str]]:
    return Counter((block, name, "start") for block in range(BLOCKS) for name in sandboxes)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_fault_loses_nothing_and_leaves_nothing(
    seed: int, image: Image, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del image  # built before, so that no seed hits its build
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[3]))
    dice = random.Random(20261201 + seed)
    fault = FAULTS[seed % len(FAULTS)]
    sandboxes = ["native", "container", *(["vm"] if seed % 5 == 4 else [])]
    write_campaign(sandboxes)
    out, command = tmp_path / "run", tare(state)
    with Watch(state) as watch:
        if fault == "a full disk":
            size, disk = dice.randrange(4, 28, 4), tmp_path / "disk"
            disk.mkdir()
            words = [str(size), str(disk), str(out), *command]
            done = run(["unshare", "--mount", "sh", "-c", FULL, "sh", *words])
            reached = f"{size} KiB" if done.returncode == 0 else "fitted"
            assert done.returncode in {0, 9}, done.stderr
            assert "Traceback" not in done.stderr
        else:
            reached = end(command, out, signal.Signals[fault], dice)
            if fault != "SIGKILL":
                assert watch.left() == []
            goes_on = ["--resume", str(out)]
            if not (out / "run.json").exists():
                goes_on = ["campaign.toml", "--out", str(out)]
            done = run([*command, "run", "--no-report", *goes_on])
            assert done.returncode == 0, done.stderr
        assert watch.names
    measured = runfolder.load(out)
    assert measured.info.absent == {}
    keys = Counter((visit.block, visit.sandbox, visit.part) for visit in measured.visits)
    assert keys == expected(sandboxes)
    assert watch.left() == []
    cleaned = run([*command, "clean"])
    assert (cleaned.stdout, cleaned.returncode) == ("", 0), cleaned.stdout
    print(f"{seed:4}  {fault:12} {', '.join(sandboxes):22} {reached:9}  0 differences")


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
