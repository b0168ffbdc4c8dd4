"""The doctor on this host: what it says holds, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tare import doctor
from tare.doctor import State

TARE = [sys.executable, "-m", "tare"]


@pytest.fixture(scope="module")
def found() -> doctor.Diagnosis:
    return doctor.diagnose()


def test_containers_can_run_here(found: doctor.Diagnosis) -> None:
    assert found.can_run["container"] is True
    assert found.ok


def test_every_finding_says_how_it_was_come_by(found: doctor.Diagnosis) -> None:
    assert [check.id for check in found.checks if not check.how or not check.found] == []
    assert len({check.id for check in found.checks}) == len(found.checks)


def test_every_warning_comes_with_advice(found: doctor.Diagnosis) -> None:
    amiss = [check for check in found.checks if check.state in {State.WARN, State.FAIL}]
    assert [check.id for check in amiss if not check.advice] == []


def test_looking_leaves_nothing_behind() -> None:
    mounts = Path("/proc/self/mountinfo").read_text()
    doctor.diagnose()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert list(Path("/sys/fs/cgroup").glob("**/tare-doctor-*")) == []


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
