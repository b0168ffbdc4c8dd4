"""What makes a distribution's system a guest: files in its tree, none of them replaced."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from vmdriver.guest import distribution

MACHINE_ID = "0123456789abcdef" * 2


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc" / "initramfs-tools" / "scripts").mkdir(parents=True)
    distribution.prepare(tmp_path, MACHINE_ID)
    return tmp_path


def test_the_agent_is_a_service_that_is_wanted_at_boot(root: Path) -> None:
    wanted = root / "etc/systemd/system/multi-user.target.wants/tare.service"
    unit = wanted.resolve().read_text()
    assert wanted.resolve() == root / "etc/systemd/system/tare.service"
    assert f"/{distribution.AGENT}" in unit
    assert (root / distribution.AGENT).read_text().startswith("# Process 1 of the guest")
    assert os.access(root / distribution.RELAY, os.X_OK)
    assert f"relay=/{distribution.RELAY}\n" in (root / distribution.AGENT).read_text()
    assert (root / "etc/machine-id").read_text() == f"{MACHINE_ID}\n"


def test_the_initrd_s_scripts_are_shell_and_say_what_they_need(root: Path) -> None:
    scripts = sorted((root / "etc/initramfs-tools/scripts").glob("*/tare"))
    assert [script.parent.name for script in scripts] == ["init-bottom", "init-top"]
    for script in scripts:
        assert os.access(script, os.X_OK)
        subprocess.run(["sh", "-n", script], check=True)
        # initramfs-tools(7): called so when the initrd is made, to learn the order
        asked = subprocess.run([script, "prereqs"], check=True, capture_output=True)
        assert asked.stdout == b""


def test_the_overlay_is_the_one_that_every_guest_has(root: Path) -> None:
    script = (root / "etc/initramfs-tools/scripts/init-bottom/tare").read_text()
    assert "mount -t overlay" in script
    modules = (root / "etc/initramfs-tools/modules").read_text().split()
    assert modules == ["erofs", "overlay"]


def test_another_agent_makes_another_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = distribution.key()
    for name in ("agent.sh", "relay.py", "distribution.py"):
        shutil.copy(Path(distribution.__file__).with_name(name), tmp_path)
    monkeypatch.setattr("vmdriver.guest.distribution.resources.files", lambda _: tmp_path)
    assert distribution.key() == before
    (tmp_path / "agent.sh").write_text("another")
    assert distribution.key() != before
