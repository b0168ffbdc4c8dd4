"""What the set-up asks of a host, and what it says to hosts it cannot set up."""

import os
import platform
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
NEEDED_BY_THE_SCRIPT = ("bash", "env", "dirname", "cat", "sort", "head", "uname", "printf", "awk")


def setup(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / "setup", *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in NEEDED_BY_THE_SCRIPT:
        (folder / name).symlink_to(f"/usr/bin/{name}")
    return str(folder)


def os_release(tmp_path: Path, text: str) -> str:
    path = tmp_path / "os-release"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_distributions_are_told_apart() -> None:
    debian = setup("packages", "debian", "amd64").stdout.split()
    ubuntu = setup("packages", "ubuntu", "amd64").stdout.split()
    assert {"mmdebstrap", "qemu-system-x86", "python3-venv"} <= set(debian) & set(ubuntu)
    assert set(debian) ^ set(ubuntu) == {"gcc", "gcc-14"}
    assert all(not name.startswith("#") for name in debian)


def test_architectures_are_told_apart() -> None:
    amd64 = set(setup("packages", "debian", "amd64").stdout.split())
    arm64 = set(setup("packages", "debian", "arm64").stdout.split())
    assert amd64 - arm64 == {"qemu-system-x86", "seabios", "ovmf"}
    assert arm64 - amd64 == {"qemu-system-arm", "qemu-efi-aarch64"}
    assert "binutils-aarch64-linux-gnu" not in amd64 | arm64


@pytest.mark.parametrize(
    "release",
    [
        'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n',
        'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
    ],
)
def test_old_releases_are_refused_in_one_sentence(tmp_path: Path, release: str) -> None:
    done = setup("run", TARE_OS_RELEASE=os_release(tmp_path, release))
    assert done.returncode == 1
    assert "is too old" in done.stderr
    assert "use Debian 13, Ubuntu 24.04 or later" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_another_distribution_hears_what_is_missing(tmp_path: Path, bare_path: str) -> None:
    fedora = os_release(tmp_path, 'ID=fedora\nVERSION_ID=43\nPRETTY_NAME="Fedora Linux 43"\n')
    done = setup("run", TARE_OS_RELEASE=fedora, PATH=bare_path)
    assert done.returncode == 1
    assert done.stderr.startswith("set-up: Fedora Linux 43 is not a distribution")
    assert "mmdebstrap" in done.stderr
    assert f"qemu-system-{platform.machine()}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_unknown_level_shows_how_to_call_it() -> None:
    done = setup("everything")
    assert done.returncode == 2
    assert "scripts/setup run" in done.stderr


def test_pinned_versions_hold_no_address() -> None:
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert pins
    assert all("://" not in line and "@" not in line and "==" in line for line in pins)
