"""Builds tare's image in a tree that is not booted yet, as the booted host would build it.

A host's own kernel becomes its guests', so the build has to see the kernel that will run there and
not the one that runs here. Run as ``python -m tests.hosts.framework.image``.
"""

import os
import sys
from pathlib import Path

from benchmarks.image import build


def version_of(kernel: Path) -> str:
    """What ``uname -v`` says under `kernel`: a bzImage's header points at its version text.

    Source: Documentation/arch/x86/boot.rst, `kernel_version` at 0x20e, relative to 0x200.
    """
    header = kernel.read_bytes()[:0x8000]
    start = int.from_bytes(header[0x20E:0x210], "little") + 0x200
    text = header[start : header.index(b"\0", start)].decode()
    return text[text.index("#") :]


def main() -> None:
    """Build it."""
    here = os.uname()
    kernel = max(Path("/boot").glob("vmlinuz-*"))
    release = kernel.name.removeprefix("vmlinuz-")
    there = os.uname_result(
        (here.sysname, here.nodename, release, version_of(kernel), here.machine)
    )
    os.uname = lambda: there
    image = build(progress=lambda step: print(step, file=sys.stderr))
    print(image.digest)


if __name__ == "__main__":
    main()
