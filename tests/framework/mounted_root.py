"""Run a command where the root directory is a mount, also when the tests run in a plain chroot.

In a chroot the kernel refuses an ordinary user's namespaces and a change of the root's propagation.
The spawner works around it by itself; tests of programs without a spawner use this module.
"""

from __future__ import annotations

import sys
from pathlib import Path

_ENTER = """
import os, sys
from runtime.spawner.rootfs import enter
here = os.getcwd()
enter()
os.chdir(here)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def in_own_namespace(*argv: str) -> list[str]:
    """The command line with a mount namespace of its own around it, whose root is a mount."""
    return [sys.executable, "-c", _ENTER, *argv]


def where_needed(*argv: str) -> list[str]:
    """The same, but only where the root directory is none."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    is_mount = any(line.split(" ")[4] == "/" for line in lines)
    return list(argv) if is_mount else in_own_namespace(*argv)
