import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmdriver import VmError, clean, leftovers
from vmdriver.qemu import guardian
from vmdriver.state import Layout


@pytest.fixture
def fake_qemu(tmp_path: Path) -> list[str]:
    """A command that looks like QEMU of this state to who reads its command line."""
    name = tmp_path / "qemu-system-fake"
    name.symlink_to("/bin/sleep")
    mark = Layout.of(tmp_path / "state").mark
    shell = "import os, sys; os.execv('/bin/sh', [sys.argv[1], '-c', 'read x', sys.argv[2]])"
    return [sys.executable, "-c", shell, str(name), f"socket,path={mark}s/one.serial"]


def start(command: list[str]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    until = time.monotonic() + 60
    while b"qemu" not in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0]:
        assert time.monotonic() < until
        time.sleep(0.01)
    return process


def test_a_clean_state_has_no_leftovers(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "state") == []
    assert clean(tmp_path / "state") == []


def test_what_a_crash_left_is_named_and_removed(tmp_path: Path, fake_qemu: list[str]) -> None:
    layout = Layout.of(tmp_path / "state")
    layout.make()
    (layout.sockets / "one.serial").touch()
    (layout.root / "lib" / "qemu" / "domain-1-one").mkdir(parents=True)
    (layout.root / "run" / "qemu").mkdir(parents=True)
    (layout.root / "run" / "qemu" / "one.pid").touch()
    (layout.root / "run" / "qemu" / "driver.pid").touch()
    (layout.variables / "one.fd").touch()
    process = start(fake_qemu)
    assert len(leftovers(tmp_path / "state")) == 5
    # Its parent must reap it before it is gone from /proc's command lines.
    removed = clean(tmp_path / "state")
    assert process.wait(60) == -9
    kinds = [words.split()[0] for words in removed]
    assert kinds == ["QEMU", "socket", "UEFI", "libvirt", "libvirt"]
    assert leftovers(tmp_path / "state") == []


def test_another_state_s_vm_is_left_alone(tmp_path: Path, fake_qemu: list[str]) -> None:
    process = start(fake_qemu)
    assert clean(tmp_path / "other") == []
    assert process.poll() is None
    process.kill()
    process.wait()


def test_a_state_in_use_is_refused(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.make()
    lock = layout.lock()
    with pytest.raises(VmError, match=f"process {os.getpid()} is using"):
        clean(tmp_path)
    os.close(lock)
    assert clean(tmp_path) == []


def test_a_long_path_is_replaced_by_a_short_one_that_stays(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    assert len(str(Layout.of(long).sockets)) < 60
    assert Layout.of(long) == Layout.of(long)
    assert Layout.of(long) != Layout.of(tmp_path / ("long" * 31))


def test_the_guardian_kills_when_its_pipe_ends(tmp_path: Path, fake_qemu: list[str]) -> None:
    process = start(fake_qemu)
    mark = Layout.of(tmp_path / "state").mark
    guard = subprocess.Popen(
        [sys.executable, "-I", "-S", guardian.__file__, mark], stdin=subprocess.PIPE
    )
    assert process.poll() is None
    assert guard.stdin is not None
    guard.stdin.close()
    assert process.wait(60) == -9
    guard.kill()
    guard.wait()


def test_a_dismissed_guardian_kills_nobody(tmp_path: Path, fake_qemu: list[str]) -> None:
    process = start(fake_qemu)
    mark = Layout.of(tmp_path / "state").mark
    subprocess.run(
        [sys.executable, "-I", "-S", guardian.__file__, mark], input=b"done", check=True, timeout=60
    )
    assert process.poll() is None
    process.kill()
    process.wait()
