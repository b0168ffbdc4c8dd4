"""Programs that run from sealed memory files: the executor, and the init of containers.

A sealed copy cannot be overwritten through /proc/PID/exe from inside (CVE-2019-5736).
"""

from __future__ import annotations

import fcntl
import os

#: catatonit first: it forwards signals and reaps, is static, and does nothing else.
CANDIDATES = ("/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/tini-static")
#: Kept out of the low numbers, which a workload's extra descriptors may ask for.
FIRST_DESCRIPTOR = 200


def open_init() -> int:
    """Descriptor of a sealed copy of the init program, or -1 where none is installed."""
    for path in CANDIDATES:
        try:
            return sealed_copy(path, "init")
        except FileNotFoundError:
            continue
    return -1


def sealed_copy(path: str, name: str) -> int:
    """Descriptor of a sealed copy of a program; `name` shows behind /proc/PID/exe.

    Raises:
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        program = file.read()
    low = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(program)
    while view:
        view = view[os.write(low, view) :]
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(low, fcntl.F_ADD_SEALS, seals)
    high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    os.close(low)
    return high
