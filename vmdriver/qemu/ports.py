"""Serve the host's end of a VM's ports: one thread blocks on all and stamps what arrives.

We listen on UNIX sockets before QEMU starts and QEMU connects to them: no byte is lost, and the
first connection says that QEMU runs and, by SO_PEERCRED, as which process.

The thread also keeps draining the guest's output ports: who writes to a port in the guest sleeps
once its queue is full (Linux ``drivers/char/virtio_console.c``, ``port_fops_write``).

Resolution of a stamp: the thread is woken by the kernel when a byte arrives and reads the clock
before anything else, median 0.03 to 0.08 ms later. Bytes that come between the stamp and the read
share it. A thread of the harness that computes meanwhile makes both much worse: it is asked for the
interpreter only every 5 ms, and gives it when the host lets it run. Measured figures:
docs/vmdriver.md, by ``benchmarks/suites/test_stamps.py``.
"""

import contextlib
import json
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from vmdriver.errors import VmGoneError
from vmdriver.qemu import guardian
from vmdriver.qemu.console import Console
from vmdriver.qemu.process import Process

_CHUNK = 1 << 18
_PEERCRED = struct.Struct("3i")


class Ports:
    """All sockets of one VM and the thread that serves them.

    Attributes:
        changed: notified on every stamp, console line of interest, and at the end.
        stamps: boundary to nanoseconds of CLOCK_MONOTONIC; the first event of a kind counts.
        process: QEMU, once it has connected.
        unplaced: why QEMU could not be moved into a cgroup, or None.
        ended: how QEMU ended, in words; None while it runs.
        boots: whether the console's bytes are boundaries; those of a restored guest are not.
        firmware_speaks: whether the firmware writes to the console, and to the ports as well until
            a kernel has taken them, as UEFI does.
    """

    def __init__(
        self,
        sockets: Mapping[str, Path],
        console: Console,
        receive: Callable[[str, bytes, int], None],
        end: Callable[[], None] = lambda: None,
        *,
        cgroups: Iterable[Path] = (),
        owner: tuple[int, int] | None = None,
        record: Path | None = None,
    ) -> None:
        """Listen on ``sockets`` and start the thread.

        Args:
            sockets: paths by port; ``serial`` is the console, ``stamp`` the stamp port.
            console: takes what the guest prints.
            receive: called on the thread with port, bytes and stamp for every other port.
            end: called on the thread when QEMU has ended.
            cgroups: directories of cgroups to move QEMU into when it connects.
            owner: user and group that QEMU connects as; None for our own.
            record: where to write which process QEMU is; removed once it has ended.
        """
        self.changed = threading.Condition()
        self.stamps: dict[str, int] = {}
        self.process: Process | None = None
        self.unplaced: str | None = None
        self.ended: str | None = None
        self.boots = True
        self.firmware_speaks = False
        self._console = console
        self._receive = receive
        self._on_end = end
        self._cgroups = tuple(cgroups)
        self._paths = dict(sockets)
        self._record = record
        self._streams: dict[str, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        self._closing = False
        for port, path in sockets.items():
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            listener.bind(str(path))
            if owner is not None:
                os.chown(path, *owner)
            listener.listen(1)
            self._selector.register(listener, selectors.EVENT_READ, (self._accept, port, listener))
        self._thread = threading.Thread(target=self._run, name="vm-ports", daemon=True)
        self._thread.start()

    def stamp(self, boundary: str, at_ns: int | None = None, *, unless: str = "") -> None:
        """Stamp ``boundary`` with ``at_ns``, or with now; only the first time counts.

        Args:
            boundary: its name.
            at_ns: nanoseconds of CLOCK_MONOTONIC.
            unless: another boundary, after which it counts no more.
        """
        now = time.monotonic_ns() if at_ns is None else at_ns
        with self.changed:
            if unless not in self.stamps:
                self.stamps.setdefault(boundary, now)
            self.changed.notify_all()

    def send(self, port: str, data: bytes, timeout_s: float) -> None:
        """Send to the guest; block while the guest does not read.

        Raises:
            VmGoneError: QEMU is gone or never connected this port.
            TimeoutError: the guest took not all bytes within ``timeout_s`` seconds.
        """
        stream = self._streams.get(port)
        gone = VmGoneError(f"the VM's {port} port is closed; QEMU has ended")
        if stream is None or self.ended is not None:
            raise gone
        deadline = time.monotonic() + timeout_s
        view = memoryview(data)
        with selectors.DefaultSelector() as writable:
            try:
                writable.register(stream, selectors.EVENT_WRITE)
            except ValueError:  # closed meanwhile by the thread that saw QEMU end
                raise gone from None
            while view:
                left = deadline - time.monotonic()
                if left <= 0 or not writable.select(left):
                    raise TimeoutError
                try:
                    view = view[stream.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise VmGoneError(f"the VM's {port} port broke: {error.strerror}") from error

    def drain(self, *ports: str) -> None:
        """Take what has already arrived on ``ports``. Only for callbacks on the thread."""
        for port in ports:
            stream = self._streams.get(port)
            while stream is not None and self._take(port, stream, time.monotonic_ns()):
                pass

    def close(self) -> None:
        """End the thread, close and remove the sockets; idempotent."""
        self._closing = True
        with contextlib.suppress(OSError):
            os.eventfd_write(self._wake, 1)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing and not self.ended:
                ready = self._selector.select()
                now = time.monotonic_ns()
                for key, _events in ready:
                    if key.data is not None:
                        action, port, stream = key.data
                        action(port, stream, now)
        finally:
            self._tear_down()

    def _accept(self, port: str, listener: socket.socket, now: int) -> None:
        stream, _address = listener.accept()
        self._selector.unregister(listener)
        listener.close()
        stream.setblocking(False)  # noqa: FBT003  # the socket module's own signature
        pid, _uid, _gid = _PEERCRED.unpack(
            stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
        )
        if self.process is None:
            with contextlib.suppress(ProcessLookupError):
                self.process = Process.open(pid)
                self._selector.register(
                    self.process.pidfd, selectors.EVENT_READ, (self._end, port, stream)
                )
                self._place(pid)
                self._note(pid)
        self._streams[port] = stream
        self._selector.register(stream, selectors.EVENT_READ, (self._take, port, stream))
        self.stamp("spawned", now)
        if len(self._streams) == len(self._paths):
            self.stamp("connected", now)

    def _note(self, pid: int) -> None:
        """Write down which process it is, in one step; a full disk leaves it to libvirt's note."""
        if self._record is not None:
            part = self._record.with_suffix(".part")
            with contextlib.suppress(OSError):
                part.write_text(json.dumps(guardian.identity(pid)))
                part.replace(self._record)

    def _place(self, pid: int) -> None:
        """Move QEMU, whose first port connects before it fills the guest's RAM.

        The kernel takes 6 to 29 ms for a first move, in which QEMU runs on; a move takes no charge
        along, so what it touches until then is counted elsewhere.
        """
        for group in self._cgroups:
            try:
                (group / "cgroup.procs").write_text(f"{pid}\n")
            except OSError as error:
                self.unplaced = f"cannot move QEMU into the cgroup {group}: {error.strerror}"
                return

    def _take(self, port: str, stream: socket.socket, now: int) -> bool:
        """Read once; whether there was anything to read."""
        try:
            data = stream.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            with contextlib.suppress(KeyError):
                self._selector.unregister(stream)
            return False
        if port == "serial":
            self._on_console(data, now)
        elif self.firmware_speaks and self.boots and "init" not in self.stamps:
            pass
        elif port == "stamp":
            self._on_payload(data, now)
        else:
            self._receive(port, data, now)
        return True

    def _on_payload(self, data: bytes, now: int) -> None:
        """Its first byte is ``m``; what follows on this port is its standard output."""
        if "main" not in self.stamps and data.startswith(b"m"):
            self.stamp("main", now)
            data = data[1:]
        if "output" not in self.stamps:
            data = data.removeprefix(b"\n")  # of a shell's echo m
        if data:
            self.stamp("output", now)
            self._console.feed(data)

    def _on_console(self, data: bytes, now: int) -> None:
        self._console.feed(data)
        if self.boots and (self._console.kernel or not self.firmware_speaks):
            self.stamp("kernel", now)
        if self.boots and self._console.init:
            self.stamp("init", now)

    def _end(self, _port: str, _stream: socket.socket, now: int) -> None:
        for port, stream in list(self._streams.items()):
            while self._take(port, stream, now):
                pass
        assert self.process is not None
        how = self.process.reap() or self.process.exit_status_of_another_child()
        with self.changed:
            self.stamps.setdefault("stopped", now)
            self.ended = how or "an unknown status"
            self.changed.notify_all()
        self._on_end()

    def _tear_down(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        for stream in self._streams.values():
            stream.close()
        self._selector.close()
        os.close(self._wake)
        for path in self._paths.values():
            path.unlink(missing_ok=True)
        self._console.close()
        if self._record is not None and (self.process is None or self.ended is not None):
            self._record.unlink(missing_ok=True)
        with self.changed:
            self.changed.notify_all()
