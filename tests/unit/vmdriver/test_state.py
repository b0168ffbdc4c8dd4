import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.recovery import processes
from vmdriver import VmError, clean, left_alone, leftovers
from vmdriver.qemu import guardian
from vmdriver.state import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout.of(tmp_path / "state")
    made.make()
    for folder in ("lib/qemu/domain-1-one", "run/qemu", "log/qemu"):
        (made.root / folder).mkdir(parents=True)
    return made


@pytest.fixture
def guest(layout: Layout) -> Iterator[subprocess.Popen[bytes]]:
    """A process that bears the state's directory in its command line, as every QEMU of it does."""
    words = ["sh", "-c", "read x", f"socket,path={layout.sockets}/one.serial"]
    with subprocess.Popen(words, executable="/bin/sh", stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def record(layout: Layout, process: subprocess.Popen[bytes], **more: object) -> None:
    known = guardian.identity(process.pid) | more
    (layout.guests / "one.json").write_text(json.dumps(known))


def test_a_clean_state_has_no_leftovers(tmp_path: Path) -> None:
    assert leftovers(tmp_path / "state") == []
    assert clean(tmp_path / "state") == []


def test_what_a_crash_left_is_named_and_removed(
    layout: Layout, guest: subprocess.Popen[bytes]
) -> None:
    (layout.sockets / "one.serial").touch()
    (layout.root / "run" / "qemu" / "one.pid").touch()
    (layout.root / "run" / "qemu" / "driver.pid").touch()
    (layout.variables / "one.fd").touch()
    (layout.consoles / "one.log").touch()
    (layout.logs / "one.log").touch()
    record(layout, guest)
    named = leftovers(layout.state)
    assert len(named) == 8
    # Its parent must reap it before it is gone from /proc.
    removed = clean(layout.state)
    assert guest.wait(5) == -9
    assert removed == named
    assert leftovers(layout.state) == []


def test_a_path_in_a_command_line_makes_nobody_ours(
    layout: Layout, guest: subprocess.Popen[bytes]
) -> None:
    """Others' guests, of another mount namespace with the same paths, were killed for one."""
    (layout.root / "run" / "qemu" / "one.pid").write_text(f"{guest.pid}\n")
    removed = clean(layout.state)
    assert not [words for words in removed if "process" in words]
    assert guest.poll() is None


@pytest.mark.parametrize("which", ["pid_namespace", "mount_namespace"])
def test_a_guest_of_another_namespace_is_named_and_kept(
    layout: Layout, guest: subprocess.Popen[bytes], which: str
) -> None:
    (layout.sockets / "one.serial").touch()
    record(layout, guest, **{which: "another:[1]"})
    assert clean(layout.state) == []
    assert guest.poll() is None
    assert (layout.sockets / "one.serial").exists()
    (words,) = left_alone(layout.state)
    assert words.startswith(f"{layout.guests}/one.json: QEMU process {guest.pid} of another")


@pytest.mark.parametrize("what", [{"started": 1}, {"boot_id": "another"}])
def test_the_same_pid_is_not_the_same_process(
    layout: Layout, guest: subprocess.Popen[bytes], what: dict[str, object]
) -> None:
    record(layout, guest, **what)
    assert f"record {layout.guests}/one.json" in clean(layout.state)
    assert guest.poll() is None


def test_who_holds_libvirt_s_pid_file_is_ours_before_it_is_recorded(layout: Layout) -> None:
    path = layout.root / "run" / "qemu" / "one.pid"
    path.touch()
    code = (
        "import fcntl, sys; file = open(sys.argv[1], 'r+'); fcntl.lockf(file, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert f"QEMU process {process.pid}" in clean(layout.state)
        assert process.wait(5) == -9


def test_the_driver_and_the_runtime_tell_a_process_alike() -> None:
    assert guardian.identity(os.getpid()) == processes.identity(os.getpid())
    for change in ({}, {"started": 1}, {"boot_id": "x"}, {"pid_namespace": "x"}):
        known = {**processes.identity(os.getpid()), **change}
        assert guardian.fate(known) == processes.fate(known)


def test_a_state_in_use_is_refused(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.make()
    lock = layout.lock()
    with pytest.raises(VmError, match=f"process {os.getpid()} is using"):
        clean(tmp_path)
    os.close(lock)
    assert clean(tmp_path) == []


def test_a_dead_driver_s_state_is_its_guardian_s_until_that_has_ended(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.make()
    lock = layout.lock()
    dead = subprocess.run(["sh", "-c", "echo $$"], capture_output=True, check=True).stdout
    guard = subprocess.Popen(["sleep", "0.3"], pass_fds=(lock,))
    os.pwrite(lock, dead.ljust(16), 0)
    os.close(lock)
    assert clean(tmp_path) == []
    assert guard.poll() is not None or guard.wait(1) == 0
    os.close(layout.lock())


def test_a_long_path_is_replaced_by_a_short_one_that_stays(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 30)
    assert len(str(Layout.of(long).sockets)) < 60
    assert Layout.of(long) == Layout.of(long)
    assert Layout.of(long) != Layout.of(tmp_path / ("long" * 31))


def test_the_guardian_kills_when_its_pipe_ends(
    layout: Layout, guest: subprocess.Popen[bytes]
) -> None:
    record(layout, guest)
    guard = subprocess.Popen(guarding(layout), stdin=subprocess.PIPE)
    assert guard.stdin is not None
    guard.stdin.close()
    assert guest.wait(5) == -9
    guard.wait(10)


def test_a_dismissed_guardian_kills_nobody(layout: Layout, guest: subprocess.Popen[bytes]) -> None:
    record(layout, guest)
    subprocess.run(guarding(layout), input=b"done", check=True, timeout=5)
    assert guest.poll() is None


def guarding(layout: Layout) -> list[str]:
    words = (guardian.__file__, str(layout.guests), str(layout.root))
    return [sys.executable, "-I", "-S", *words]


def test_a_short_directory_that_somebody_else_made_is_not_taken(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "short").symlink_to(victim)
    layout = Layout(tmp_path / "state", tmp_path / "short")
    with pytest.raises(VmError, match=r"does not use .*/short: it is a link"):
        layout.make()
    assert list(victim.iterdir()) == []


def test_a_directory_made_under_a_lax_umask_is_shut(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "state")
    layout.state.mkdir()
    layout.state.chmod(0o775)
    layout.make()
    assert layout.state.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("how", ["writable", "link"])
def test_a_record_that_others_could_write_kills_nobody(
    layout: Layout, guest: subprocess.Popen[bytes], tmp_path: Path, how: str
) -> None:
    record(layout, guest)
    state = layout.state
    if how == "writable":
        state.chmod(0o777)
    else:
        state = tmp_path / "link"
        state.symlink_to(layout.state)
    assert leftovers(state) == []
    assert clean(state) == []
    assert guest.poll() is None
    (words,) = left_alone(state)
    assert words.startswith(f"{state}: it is a link, belongs to another")
