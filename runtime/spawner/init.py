"""The init program of containers, copied once into a sealed memory file."""

from __future__ import annotations

import fcntl
import os

#: catatonit first: it forwards signals and reaps, is static, and does nothing else.
CANDIDATES = ("/usr/bin/catatonit", "/usr/libexec/podman/catatonit", "/usr/bin/tini-static")
#: Kept out of the low numbers, which a workload's extra descriptors may ask for.
FIRST_DESCRIPTOR = 200


def open_init() -> int:
    """Descriptor of a sealed copy, or -1 where no init program is installed.

    A sealed copy cannot be overwritten through /proc/1/exe from inside (CVE-2019-5736).
    """
    for path in CANDIDATES:
        try:
            with open(path, "rb") as file:
                program = file.read()
        except FileNotFoundError:
            continue
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        low = os.memfd_create("init", flags)
        view = memoryview(program)
        while view:
            view = view[os.write(low, view) :]
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(low, fcntl.F_ADD_SEALS, seals)
        high = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
        os.close(low)
        return high
    return -1
