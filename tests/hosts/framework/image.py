"""Builds tare's image and its C program in a tree that is not booted yet, as the host would.

A host's own kernel becomes its guests', so the build has to see the kernel that will run there and
not the one that runs here. Run as ``python -m tests.hosts.framework.image``.
"""

import os
import sys
from pathlib import Path

from benchmarks.image import build
from runtime import executor


def version_in(kernel: bytes) -> str:
    """What ``uname -v`` says under `kernel`: a bzImage's header points at its version text.

    Source: Documentation/arch/x86/boot.rst, `kernel_version` at 0x20e, relative to 0x200.
    """
    start = int.from_bytes(kernel[0x20E:0x210], "little") + 0x200
    text = kernel[start : kernel.index(b"\0", start)].decode()
    return text[text.index("#") :]


def main() -> None:
    """Build it."""
    here = os.uname()
    kernel = max(Path("/boot").glob("vmlinuz-*"))
    release = kernel.name.removeprefix("vmlinuz-")
    there = os.uname_result(
        (here.sysname, here.nodename, release, version_in(kernel.read_bytes()), here.machine)
    )
    os.uname = lambda: there
    image = build(progress=lambda step: print(step, file=sys.stderr))
    print(image.digest, executor.build())


if __name__ == "__main__":
    main()
