"""The set-up asks the real apt, of a host whose package database is made up."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
STATUS = Path("/var/lib/dpkg/status")
#: As Docker's own packages say it, without what they depend on.
DOCKER = """
Package: containerd.io
Status: install ok installed
Maintainer: Containerd team
Architecture: amd64
Version: 1.7.27-1
Replaces: containerd, runc
Provides: containerd, runc
Conflicts: containerd, runc
Description: An open and reliable container runtime

Package: docker-ce
Status: install ok installed
Maintainer: Docker
Architecture: amd64
Version: 5:28.0.4-1~debian.13~trixie
Depends: containerd.io (>= 1.6.24)
Conflicts: docker.io
Description: Docker: the open-source application container engine

Package: busybox
Status: install ok installed
Maintainer: Debian
Architecture: amd64
Version: 1:1.37.0-6
Conflicts: busybox-static
Description: Tiny utilities for small and embedded systems

"""
PLACES = ("/usr/sbin", "/usr/bin")
GONE = {"runc", "crun", "bubblewrap", "busybox-static", "busybox", "containerd", "docker.io"}

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="this host has no apt")


@pytest.fixture
def simulate(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs scripts/setup --dry-run on this host as it would be with Docker's packages."""
    entries = STATUS.read_text(encoding="utf-8").strip().split("\n\n")
    kept = [entry for entry in entries if package(entry) not in GONE]
    database = tmp_path / "dpkg"
    (database / "updates").mkdir(parents=True)
    (database / "status").write_text("\n\n".join(kept) + "\n" + DOCKER, encoding="utf-8")
    settings = tmp_path / "apt.conf"
    settings.write_text(f'Dir::State::status "{database}/status";\n', encoding="utf-8")
    # what is on PATH is taken, whoever brought it: this host's runtimes are not on this one
    programs = tmp_path / "bin"
    programs.mkdir()
    theirs = {"runc", "crun", "bwrap", "busybox", "systemd-nspawn"}
    found = {path.name: path for place in PLACES for path in Path(place).iterdir()}
    for name in found.keys() - theirs:
        (programs / name).symlink_to(found[name])

    def run(level: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / "scripts" / "setup", "--dry-run", level],
            env={
                **os.environ,
                "APT_CONFIG": str(settings),
                "DPKG_ADMINDIR": str(database),
                "PATH": str(programs),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def package(entry: str) -> str:
    found = re.search(r"^Package: (\S+)$", entry, re.MULTILINE)
    return found[1] if found else ""


def test_a_run_s_packages_conflict_with_nothing_of_docker(
    simulate: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = simulate("run")
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stdout


def test_the_tests_do_without_what_would_remove_docker(
    simulate: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = simulate("peers")
    assert done.returncode == 0, done.stderr
    left = [line for line in done.stdout.splitlines() if "left out" in line]
    assert [line.split()[1] for line in left] == ["runc"]
    assert "containerd.io" in left[0]
    assert re.search(r"would install \d+ packages and remove none:.* crun", done.stdout)


def test_a_simulation_changes_nothing(
    simulate: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    before = STATUS.read_bytes()
    simulate("test")
    assert STATUS.read_bytes() == before
