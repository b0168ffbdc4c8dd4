"""Stamp when QEMU's program is executed, and as which process: a thread waits for fanotify.

libvirt forks twice before it executes QEMU and reports nothing of it. The kernel does:
FAN_OPEN_EXEC (fanotify_mark(2), Linux 5.0) names the process that is about to become the program.
The marks lie on QEMU's files alone, so that no other program on the host wakes us.
"""

import contextlib
import ctypes
import os
import selectors
import struct
import threading
import time
from pathlib import Path

_FAN_CLOEXEC = 0x1
_FAN_MARK_ADD = 0x1
_FAN_OPEN_EXEC = 0x1000
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")  # fanotify_event_metadata: length …, descriptor, process
_KEPT = 256
_libc = ctypes.CDLL(None, use_errno=True)


class ExecWatch:
    """Knows when processes executed one of some programs. A context manager.

    Attributes:
        unavailable: why nothing is known, in words; None where it is. It needs CAP_SYS_ADMIN.
    """

    def __init__(self, *programs: Path) -> None:
        """Watch those of ``programs`` that are there; raise nothing where it cannot."""
        self.unavailable: str | None = None
        self._stamps: dict[int, int] = {}
        self._fan = _libc.fanotify_init(_FAN_CLOEXEC, os.O_RDONLY | os.O_CLOEXEC)
        marked = [self._mark(program) for program in programs] if self._fan >= 0 else []
        if not any(marked):
            names = " and ".join(map(str, programs))
            self.unavailable = f"fanotify on {names}: {os.strerror(ctypes.get_errno())}"
            self._close_fan()
            return
        self._wake = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="vm-execs", daemon=True)
        self._thread.start()

    def stamp(self, pid: int) -> int | None:
        """When ``pid`` executed the program, in CLOCK_MONOTONIC nanoseconds; told once."""
        return self._stamps.pop(pid, None)

    def close(self) -> None:
        """End the thread; idempotent."""
        if self._fan < 0:
            return
        os.eventfd_write(self._wake, 1)
        self._thread.join()
        os.close(self._wake)
        self._close_fan()

    def _mark(self, program: Path) -> bool:
        path = ctypes.c_char_p(os.fsencode(program))
        mask = ctypes.c_uint64(_FAN_OPEN_EXEC)
        return not _libc.fanotify_mark(self._fan, _FAN_MARK_ADD, mask, _AT_FDCWD, path)

    def _close_fan(self) -> None:
        if self._fan >= 0:
            os.close(self._fan)
        self._fan = -1

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._fan, selectors.EVENT_READ)
            selector.register(self._wake, selectors.EVENT_READ)
            while True:
                ready = selector.select()
                now = time.monotonic_ns()
                if any(key.fd == self._wake for key, _ in ready):
                    return
                self._take(os.read(self._fan, 4096), now)

    def _take(self, events: bytes, now: int) -> None:
        at = 0
        while at < len(events):
            length, _, _, _, _, descriptor, pid = _EVENT.unpack_from(events, at)
            if descriptor >= 0:  # the program, opened for us
                os.close(descriptor)
                self._stamps[pid] = now
            at += length
        # Others on this host start QEMU too; what nobody asks for must not pile up.
        for pid in list(self._stamps)[:-_KEPT]:
            with contextlib.suppress(KeyError):
                del self._stamps[pid]
