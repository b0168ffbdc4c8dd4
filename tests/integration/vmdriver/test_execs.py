"""The boundary that libvirt does not report: when a program is executed, and as which process."""

import shutil
import subprocess
import time
from pathlib import Path

from vmdriver.qemu.exec_watch import ExecWatch


def test_an_exec_is_stamped_between_its_fork_and_its_end(tmp_path: Path) -> None:
    program = tmp_path / "program"
    shutil.copy("/bin/true", program)
    watch = ExecWatch(program)
    assert watch.unavailable is None
    began = time.monotonic_ns()
    with subprocess.Popen([program]) as process:
        process.wait()
    ended = time.monotonic_ns()
    subprocess.run(["/bin/true"], check=True)
    until = time.monotonic() + 5
    stamp = None
    while stamp is None and time.monotonic() < until:
        stamp = watch.stamp(process.pid)
    assert stamp is not None
    assert began < stamp
    assert stamp - ended < 1e9
    assert watch.stamp(process.pid) is None
    watch.close()
    watch.close()


def test_a_program_that_is_not_there_is_said_and_closed(tmp_path: Path) -> None:
    watch = ExecWatch(tmp_path / "nowhere")
    assert watch.unavailable is not None
    assert "No such file" in watch.unavailable
    assert watch.stamp(1) is None
    watch.close()
