"""Say why a VM does not go on, by what can be seen of QEMU from outside. Only for messages."""

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from vmdriver.errors import VmGoneError
from vmdriver.qemu.process import Process, queued_s

_WATCH_S = 0.25
_BUSY = 0.5
_ANSWER_S = 2.0
_CR0 = re.compile(r"CR0=([0-9a-f]{8})")
_CR0_PG = 1 << 31


def why(process: Process | None) -> str:
    """What QEMU does, in words; takes a quarter of a second.

    A guest's busy loop and a guest that waits for its disk differ in QEMU's CPU time; a thread of
    QEMU in uninterruptible sleep (state ``D``, proc_pid_stat(5)) waits for the host.
    """
    if process is None:
        return "QEMU has not connected"
    try:
        states = _thread_states(process.pid)
        if states & {"T", "t"}:
            return "QEMU is stopped by a signal"
        if "D" in states:
            return "QEMU waits in the host's kernel, for its disk perhaps"
        if not states <= {"Z", "X"}:
            return _by_its_cpu_time(process)
    except OSError:
        pass  # reaped meanwhile
    return "QEMU has just ended"


def _by_its_cpu_time(process: Process) -> str:
    began, used, queued = time.monotonic(), process.cpu_time_s(), queued_s(process.pid)
    time.sleep(_WATCH_S)
    took = time.monotonic() - began
    share = (process.cpu_time_s() - used) / took
    # On a busy host a thread that would run waits for its turn: one that spins wants all the time.
    wanted = share + (queued_s(process.pid) - queued) / took
    meaning = "a vCPU is busy" if wanted > _BUSY else "the guest waits, for its disk perhaps"
    return f"QEMU uses {share:.0%} of a CPU: {meaning}"


def in_firmware(monitor: Callable[[str], str], process: Process | None) -> bool:
    """Whether the first vCPU has not turned paging on: SeaBIOS and qboot never do, Linux at once.

    False too where QEMU does not say. Bit 31 of CR0: Intel SDM, volume 3, section 2.5.

    Args:
        monitor: asks QEMU's human monitor; raises VmGoneError.
        process: QEMU.
    """
    if process is None or "T" in _thread_states(process.pid):
        return False
    said = _within(_ANSWER_S, lambda: monitor("info registers"))
    found = _CR0.search(said or "")
    return found is not None and not int(found.group(1), 16) & _CR0_PG


def _thread_states(pid: int) -> set[str]:
    return {
        stat.read_text().rpartition(")")[2].split()[0]
        for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    }


def _within(seconds: float, ask: Callable[[], str]) -> str | None:
    """The answer, or None after ``seconds``: libvirt waits for a monitor without limit."""
    answers: list[str] = []

    def run() -> None:
        try:
            answers.append(ask())
        except VmGoneError:
            return

    thread = threading.Thread(target=run, name="vm-diagnosis", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else None
