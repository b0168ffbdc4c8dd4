"""The doctor on this host: what it says holds, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import runtime
import vmdriver
from benchmarks.image import store
from tare import doctor
from tare.doctor import State, diagnosis

pytestmark = pytest.mark.campaigns  # nothing is started beside a campaign

TARE = [sys.executable, "-m", "tare"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> doctor.Diagnosis:
    with pytest.MonkeyPatch.context() as patch:
        # a folder of its own: a campaign of another test would keep it from starting anything
        folder = tmp_path_factory.mktemp("s")
        patch.setattr(diagnosis, "state_folder", lambda: folder)
        return doctor.diagnose()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "s"
    monkeypatch.setattr(diagnosis, "state_folder", lambda: folder)
    return folder


def test_containers_can_run_here(found: doctor.Diagnosis) -> None:
    assert found.can_run["container"] is True
    assert found.ok


def test_every_finding_says_how_it_was_come_by(found: doctor.Diagnosis) -> None:
    assert [check.id for check in found.checks if not check.how or not check.found] == []
    assert len({check.id for check in found.checks}) == len(found.checks)


def test_every_warning_comes_with_advice(found: doctor.Diagnosis) -> None:
    amiss = [check for check in found.checks if check.state in {State.WARN, State.FAIL}]
    assert [check.id for check in amiss if not check.advice] == []


def test_looking_leaves_nothing_behind(state: Path) -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    doctor.diagnose()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert [
        left for box in state.iterdir() if box.is_dir() for left in runtime.leftovers(box)
    ] == []
    assert vmdriver.leftovers(state / "vm") == []


def test_what_can_run_was_started(found: doctor.Diagnosis) -> None:
    assert found.can_run["native"] is True
    assert found.tried["container"].startswith("started and stopped in ")
    groups = next(check for check in found.checks if check.id == "cgroups")
    assert "/tare-" in groups.found


def test_a_fault_that_only_a_start_shows_is_seen(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every namespace, the overlay and the filter work, and the engine's spawner does not start."""

    def refused(*_: object, **__: object) -> None:
        raise runtime.EngineError("the spawner cannot start: pivot_root: Invalid argument")

    monkeypatch.setattr(runtime, "Engine", refused)
    found = doctor.diagnose()
    assert "pivot_root" in str(found.can_run["container"])
    assert "pivot_root" in str(found.can_run["native"])
    assert state.exists()


def test_without_an_image_a_stand_in_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "state_folder", lambda: tmp_path / "s")
    monkeypatch.setattr(store, "latest", lambda: None)
    trials, untried = diagnosis.try_sandboxes()
    assert untried == ""
    assert (trials["container"].refused, trials["container"].started) == (None, True)
    assert (trials["vm"].refused, trials["vm"].started) == (None, False)


@pytest.mark.parametrize("propagation", ["shared", "private"])
def test_it_says_what_a_run_says(propagation: str, tmp_path: Path) -> None:
    """In a mount namespace whose root is as systemd makes it, and in one as containers have it."""
    script = (
        f"mount --make-r{propagation} / && mkdir -p /run/tare && mount -t tmpfs tmpfs /run/tare\n"
        'doctor=$("$@" doctor --json)\n'
        f'"$@" run smoke -s container --blocks 1 --no-report --out {tmp_path}/run >&2\n'
        'printf "%s\\n%s" $? "$doctor"\n'
    )
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script, "bash", *TARE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    code, _, told = done.stdout.partition("\n")
    assert (json.loads(told)["can_run"]["container"] is True) == (code == "0"), done.stderr


def test_for_ci_it_says_three_lines() -> None:
    done = subprocess.run([*TARE, "doctor", "--ci"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == [
        "start",
        "throughput",
        "isolation",
    ]


def test_without_root_it_ends_with_code_4_and_no_traceback() -> None:
    # Nobody, but able to read where tare is installed, which may be below a private folder.
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    environment = {**os.environ, "HOME": "/nonexistent"}
    done = subprocess.run(
        [*nobody, *TARE, "doctor", "--json"], capture_output=True, check=False, env=environment
    )
    assert done.returncode == 4, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert "root" in json.loads(done.stdout)["can_run"]["native"]
