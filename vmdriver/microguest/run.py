"""Run the micro-guest under QEMU, and the same loop on the host, for as long as the host needs.

No limit here is one of seconds, since a host may be ten times slower than another: an emulated one
is. The unit is the CPU time that the host takes to start the counter of its own loop, an
interpreter: 0.02 s on a computer of today. QEMU starts in about as much.

Nothing of it can outlive the caller: both processes get SIGKILL when the thread that started them
ends (PR_SET_PDEATHSIG, prctl(2)), a limit of CPU seconds ends one whose parent died even before it
could ask for that, and the guest is handed over in memory.
"""

import math
import os
import platform
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vmdriver.host.cpus import as_list
from vmdriver.microguest import native
from vmdriver.microguest.programs import FIRST_ROUND, MICROGUESTS
from vmdriver.qemu.process import cpu_time_s, queued_s

START = 100
"""Units of CPU time that QEMU may take until its guest's CPU runs; it takes one or two."""

SILENCE = 30
"""Units that the guest's CPU may run without a byte; ten instructions lead to its first."""

MEASURE = 20
"""Units the guest may count for after its first byte."""

ENOUGH = 3
"""Units of a round that is long enough to tell the guest's speed."""

IDLE = 200
"""Units on the clock that QEMU may neither run nor wait for its turn on a busy host."""

_SPEAKER = re.compile(r"^qemu-\S+: ")
_VCPU = "CPU "  # name of its thread: QEMU, "debug-threads"
_HANGS_S = 60.0  # nobody is waited for longer who does not even start an interpreter
_GIVEN_UP = "given up"


@dataclass(frozen=True)
class Native:
    """The host's own loop.

    Attributes:
        loops_per_s: in a second of CPU time.
        start_s: CPU seconds that starting its counter took: the unit of all patience.
    """

    loops_per_s: float
    start_s: float


@dataclass(frozen=True)
class Run:
    """One run of the micro-guest.

    Attributes:
        loops_per_s: in a second of QEMU's CPU time, so that other work on the host does not count;
            None when it completed no round.
        spoke: whether it did anything at all.
        silence: what was waited for in vain, in words; empty where it spoke or QEMU ended.
        words: what QEMU said.
    """

    loops_per_s: float | None
    spoke: bool
    silence: str = ""
    words: str = ""


def count_natively(cpus: Iterable[int] = ()) -> Native | None:
    """Count the host's own loop.

    Args:
        cpus: those it may use; none are all.

    Returns:
        None where its architecture is not done, or it refuses executable memory, or does not start
        an interpreter within a minute.
    """
    if platform.machine() not in MICROGUESTS:
        return None
    code = MICROGUESTS[platform.machine()].native.hex()
    try:
        done = subprocess.run(
            [*_prefix(_HANGS_S, cpus), sys.executable, "-I", "-S", native.__file__, code],
            capture_output=True,
            text=True,
            check=True,
            timeout=_HANGS_S,
        )
        loops_per_s, start_s = map(float, done.stdout.split())
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Native(loops_per_s, start_s)


def run(
    accelerator: str,
    architecture: str,
    qemu: str,
    *,
    unit_s: float,
    features_off: Iterable[str] = (),
    cpus: Iterable[int] = (),
) -> Run:
    """Run the guest until it has counted for long enough, or for nothing for long enough.

    Args:
        accelerator: its name.
        architecture: of the guest, a name in `MICROGUESTS`.
        qemu: QEMU's program.
        unit_s: what one unit of the limits in this module is here, in CPU seconds.
        features_off: CPU features to disable under KVM.
        cpus: those QEMU may use; none are all.

    Raises:
        OSError: QEMU cannot be run.
    """
    guest = MICROGUESTS[architecture]
    cpu = ",".join(["host", *(f"{feature}=off" for feature in features_off)])
    rom = os.memfd_create("tare-audit")
    try:
        os.write(rom, guest.rom)
        command = [
            *(*_prefix((START + SILENCE + MEASURE) * unit_s, cpus), qemu, "-accel", accelerator),
            *("-cpu", cpu if accelerator == "kvm" else "max", "-name", "audit,debug-threads=on"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-m", "16"),
            *("-bios", f"/proc/self/fd/{rom}", "-chardev", "stdio,id=out,signal=off"),
            *guest.arguments,
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            pass_fds=(rom,),
        ) as process:
            try:
                stamps, silence = _watch(process, unit_s)
            finally:
                process.kill()
            assert process.stderr is not None
            words = process.stderr.read().decode(errors="replace")
    finally:
        os.close(rom)
    return Run(speed(stamps), bool(stamps), silence, _own_words(words))


def speed(stamps: list[float]) -> float | None:
    """Loops a second of the last round that ended; None before one took a measurable time."""
    for number in range(len(stamps) - 1, 0, -1):
        took = stamps[number] - stamps[number - 1]
        if took > 0:
            return (FIRST_ROUND << number - 1) / took
    return None


def _prefix(cpu_s: float, cpus: Iterable[int]) -> list[str]:
    pinned = as_list(cpus)
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", "prlimit", f"--cpu={math.ceil(cpu_s) + 2}", "--"),
        *(("taskset", "--cpu-list", pinned) if pinned else ()),
    ]


def _watch(process: subprocess.Popen[bytes], unit_s: float) -> tuple[list[float], str]:
    """QEMU's CPU time when each byte of the guest arrived, and what was waited for in vain."""
    assert process.stdout is not None
    stamps: list[float] = []
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            ready = selector.select(unit_s)
            try:
                used = cpu_time_s(process.pid)
                if not ready:
                    silence = _over(process.pid, used, stamps, time.monotonic() - began, unit_s)
                    if silence:
                        return stamps, silence if not stamps else ""
                    continue
            except OSError:  # QEMU has ended
                return stamps, ""
            data = os.read(process.stdout.fileno(), 64)
            stamps += [used] * len(data)
            enough = len(stamps) > 1 and stamps[-1] - stamps[-2] > ENOUGH * unit_s
            if not data or enough:
                return stamps, ""


def _over(pid: int, used: float, stamps: list[float], waited: float, unit_s: float) -> str:
    """Which patience is over, in words; empty while there is some left. Raises OSError."""
    idle = waited - used - queued_s(pid)
    if stamps:
        over = used > stamps[0] + MEASURE * unit_s or idle > IDLE * unit_s
        return _GIVEN_UP if over else ""
    guest = _vcpu_time_s(pid)
    if guest > SILENCE * unit_s:
        return f"the guest's CPU ran for {guest:.2g} s and did nothing"
    if used - guest > START * unit_s:
        return f"QEMU took {used:.2g} s of CPU time and had not started its guest"
    if idle > IDLE * unit_s:
        return f"QEMU did nothing for {idle:.2g} s"
    return ""


def _vcpu_time_s(pid: int) -> float:
    """CPU seconds of the thread that is the guest's CPU; 0 before there is one."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if (task / "comm").read_text().startswith(_VCPU):
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return 0.0


def _own_words(stderr: str) -> str:
    lines = [_SPEAKER.sub("", line) for line in stderr.splitlines()]
    return "QEMU said: " + " / ".join(lines)[:300] if lines else ""
