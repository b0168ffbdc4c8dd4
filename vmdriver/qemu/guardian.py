"""Kill QEMU when the harness dies, however it dies. Run as ``python -I -S guardian.py MARK``.

The harness holds the other end of our standard input. End of file without the word ``done`` means
that it is gone: every QEMU whose command line holds ``MARK`` (the driver's directory) is then
killed, through a pidfd opened before the command line was read, so that no other process
can be hit. libvirt's AUTODESTROY does the same, but the embedded driver refuses it.
"""

import contextlib
import os
import signal
import sys
import time

_LAST_START_S = 3.0  # a QEMU that was being started when the harness died may appear this late


def find(mark: str) -> list[tuple[int, int]]:
    """Pid and open pidfd of every QEMU whose command line holds ``mark``."""
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208  # no pathlib: this process stays small
        if not name.isdigit():
            continue
        try:
            pidfd = os.pidfd_open(int(name))
        except OSError:
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:  # noqa: PTH123  # likewise
                arguments = file.read().split(b"\0")
        except OSError:
            arguments = []
        is_qemu = b"qemu" in os.path.basename(arguments[0] if arguments else b"")  # noqa: PTH119  # likewise
        if is_qemu and any(mark.encode() in argument for argument in arguments):
            found.append((int(name), pidfd))
        else:
            os.close(pidfd)
    return found


def kill_all(mark: str) -> list[int]:
    """Kill every QEMU of ``mark``; their pids."""
    killed = []
    for pid, pidfd in find(mark):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.close(pidfd)
        killed.append(pid)
    return killed


def main(mark: str) -> None:
    """Wait for the harness's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    said = b""
    while chunk := os.read(0, 64):
        said += chunk
    if said.endswith(b"done"):
        return
    until = time.monotonic() + _LAST_START_S
    while time.monotonic() < until:
        kill_all(mark)
        time.sleep(0.2)


if __name__ == "__main__":
    main(sys.argv[1])
