"""Measure whether an accelerator accelerates, instead of believing that it is there.

``/dev/kvm`` can exist, and libvirt list it, where KVM interprets the guest's kernel instruction by
instruction: nested hosts do that. A guest of a few instructions, given to QEMU as its firmware,
counts a loop; the same loop is counted on the host. Both within a hard time limit.

Nothing of it can outlive the caller: both processes get SIGKILL when the thread that started them
ends (PR_SET_PDEATHSIG, prctl(2)), a limit of CPU seconds ends one whose parent died even before it
could ask for that, and the guest is handed over in memory.
"""

import os
import platform
import re
import selectors
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vmdriver.architecture import of, unsupported
from vmdriver.microguest import native
from vmdriver.microguest.programs import FIRST_ROUND, MICROGUESTS
from vmdriver.qemu.process import cpu_time_s

Verdict = Literal["accelerates", "emulates", "unusable"]

LEAST_RATIO = 0.5
"""An accelerated guest runs a loop at the host's speed; translation reaches a tenth or so."""

_NATIVE_S = 0.02
_LIMIT_S = 0.8
_SILENT_LIMIT_S = 5.0
_SLICE_S = 0.05
_SILENT = f"the guest did nothing in {_LIMIT_S} s of CPU time or {_SILENT_LIMIT_S:g} s in all"
_ENOUGH_S = 0.15
_SPEAKER = re.compile(r"^qemu-system-\w+: ")
_NATIVE_LIMIT_S = 5.0
_NOT_ORPHANED = ("setpriv", "--pdeathsig", "KILL", "--", "prlimit", "--cpu=5", "--")


@dataclass(frozen=True)
class Accelerator:
    """What one accelerator is worth here.

    Attributes:
        name: ``kvm`` or ``tcg``.
        available: whether QEMU ran a guest with it at all.
        verdict: ``accelerates`` (at least half the host's speed; never translation), ``emulates``,
            or ``unusable``.
        loops_per_s: the guest's loops in a second of QEMU's CPU time, so that other work on the
            host does not count; None when it completed none.
        native_loops_per_s: the host's; None when they could not be measured.
        ratio: the former over the latter.
        reason: one sentence with the figures, or with what QEMU said.
        cpu_features_off: CPU features that must be disabled for ``-cpu host`` to start.
    """

    name: str
    available: bool
    verdict: Verdict
    loops_per_s: float | None
    native_loops_per_s: float | None
    ratio: float | None
    reason: str
    cpu_features_off: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Run:
    loops_per_s: float | None
    bytes_seen: int
    words: str


def audit(
    accelerators: tuple[str, ...] = ("kvm", "tcg"),
    *,
    qemu: str | None = None,
    architecture: str | None = None,
) -> list[Accelerator]:
    """Measure each accelerator, at most about one second each.

    Nothing is raised for an accelerator that does not work: that is its verdict.

    Args:
        accelerators: their names.
        qemu: QEMU's program; None is the architecture's own.
        architecture: of the guest, a name in `vmdriver.architecture.ARCHITECTURES`; None is the
            host's. Another one's guest is laid beside the host's own loop all the same.
    """
    reason = unsupported() or (architecture and unsupported(architecture))
    if reason:
        return [_unusable(name, None, reason) for name in accelerators]
    architecture = architecture or platform.machine()
    own = native_loops_per_s()
    qemu = qemu or of(architecture).qemu
    return [_audit_one(name, architecture, qemu, own) for name in accelerators]


def native_loops_per_s() -> float | None:
    """The host's own loops in a second of CPU time.

    None where its architecture is not done, it refuses executable memory, or does not get to it
    within 5 s.
    """
    if platform.machine() not in MICROGUESTS:
        return None
    code, seconds = MICROGUESTS[platform.machine()].native.hex(), str(_NATIVE_S)
    try:
        done = subprocess.run(
            [*_NOT_ORPHANED, sys.executable, "-I", "-S", native.__file__, code, seconds],
            capture_output=True,
            text=True,
            check=False,
            timeout=_NATIVE_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return float(str(done.stdout)) if done.returncode == 0 else None


def _audit_one(name: str, architecture: str, qemu: str, own: float | None) -> Accelerator:
    obstacle = _obstacle(name, architecture, qemu)
    if obstacle is not None:
        return _unusable(name, own, obstacle)
    fixups: tuple[str, ...] = ()
    run = _Run(None, 0, "")
    for fixups in MICROGUESTS[architecture].cpu_fixups if name == "kvm" else ((),):
        try:
            run = _run(name, architecture, qemu, fixups)
        except OSError as error:
            return _unusable(name, own, f"{qemu} cannot be run: {error}")
        if run.bytes_seen:
            break
    if not run.bytes_seen:
        return _unusable(name, own, run.words or _SILENT)
    if run.loops_per_s is None or own is None:
        missing = "guest's" if run.loops_per_s is None else "host's"
        reason = f"the {missing} speed could not be measured within {_LIMIT_S} s"
        return Accelerator(name, True, "emulates", run.loops_per_s, own, None, reason, fixups)  # noqa: FBT003  # the record's own order
    ratio = run.loops_per_s / own
    fast = name != "tcg" and ratio >= LEAST_RATIO
    verdict: Verdict = "accelerates" if fast else "emulates"
    reason = (
        f"a guest's loop turns {run.loops_per_s / 1e6:,.1f} million times in a second of "
        f"CPU time, the host's {own / 1e6:,.0f}: {ratio:.2g} of its speed"
    )
    return Accelerator(name, True, verdict, run.loops_per_s, own, ratio, reason, fixups)  # noqa: FBT003  # likewise


def _obstacle(name: str, architecture: str, qemu: str) -> str | None:
    """Why it need not be tried, in words."""
    host = platform.machine()
    if name == "kvm" and architecture != host:
        return f"KVM runs guests of the host's own architecture, {host}, only"
    if name == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        there = Path("/dev/kvm").exists()
        return (
            "/dev/kvm is not accessible; join the group kvm or become root"
            if there
            else "there is no /dev/kvm: no hardware virtualization, or its module is not loaded"
        )
    if shutil.which(qemu) is None:
        return f"{qemu} cannot be run; install {of(architecture).package}"
    return None


def _unusable(name: str, own: float | None, reason: str) -> Accelerator:
    return Accelerator(name, False, "unusable", None, own, None, reason)  # noqa: FBT003  # likewise


def _run(name: str, architecture: str, qemu: str, features_off: tuple[str, ...]) -> _Run:
    guest = MICROGUESTS[architecture]
    cpu = ",".join(["host", *(f"{feature}=off" for feature in features_off)])
    rom = os.memfd_create("tare-audit")
    try:
        os.write(rom, guest.rom)
        command = [
            *(*_NOT_ORPHANED, qemu, "-accel", name),
            *("-cpu", cpu if name == "kvm" else "max"),
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
                stamps = _stamps(process)
            finally:
                process.kill()
            assert process.stderr is not None
            words = process.stderr.read().decode(errors="replace")
    finally:
        os.close(rom)
    return _Run(_speed(stamps), len(stamps), _own_words(words))


def _stamps(process: subprocess.Popen[bytes]) -> list[float]:
    """QEMU's CPU time when each byte of the guest arrived, in seconds.

    Until the last round is long enough or time is up.
    """
    assert process.stdout is not None
    stamps: list[float] = []
    began = time.monotonic()
    first: float | None = None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while _has_time(process.pid, began, first):
            if not selector.select(_SLICE_S):
                continue
            try:
                now = cpu_time_s(process.pid)
            except OSError:
                break
            first = first or now
            data = os.read(process.stdout.fileno(), 64)
            if not data:
                break
            stamps += [now] * len(data)
            if len(stamps) > 1 and stamps[-1] - stamps[-2] > _ENOUGH_S:
                break
    return stamps


def _has_time(pid: int, began: float, first: float | None) -> bool:
    """Whether QEMU may go on; its CPU time counts, so that other work on the host does not."""
    now = time.monotonic()
    try:
        used = cpu_time_s(pid)
    except OSError:
        return False
    return now - began < _SILENT_LIMIT_S and used < (first or 0.0) + _LIMIT_S


def _speed(stamps: list[float]) -> float | None:
    """Loops a second of the last round that ended; None before one took a measurable time."""
    for number in range(len(stamps) - 1, 0, -1):
        took = stamps[number] - stamps[number - 1]
        if took > 0:
            return (FIRST_ROUND << number - 1) / took
    return None


def _own_words(stderr: str) -> str:
    lines = [_SPEAKER.sub("", line) for line in stderr.splitlines()]
    return "QEMU said: " + " / ".join(lines)[:300] if lines else ""
