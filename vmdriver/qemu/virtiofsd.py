"""Find and reap virtiofsd, which libvirt starts beside QEMU to serve a directory to the guest."""

import contextlib
import re
import time
from pathlib import Path

from vmdriver.qemu.orphans import reap_orphans

VIRTIOFSD = "virtiofsd"
_NUMBER = re.compile(r"<domain [^>]*\bid='(\d+)'")
_GONE_S = 1.0
_TICK_S = 0.005


def pids(root: Path, domain_xml: str) -> list[int]:
    """Process numbers of a VM's virtiofsd: it forks once, into its sandbox.

    Args:
        root: directory of libvirt's embedded driver, which notes the first one there.
        domain_xml: of the running domain, whose number is in the note's name.
    """
    found: list[int] = []
    number = _NUMBER.match(domain_xml)
    if number is None:
        return found
    for path in (root / "run" / "qemu").glob(f"{number.group(1)}-*-fs*-fs.pid"):
        with contextlib.suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    for pid in found:
        found += _children(pid)
    return found


def reap() -> None:
    """Reap virtiofsd, which ends by itself when QEMU's connection breaks.

    libvirt has detached it, so that its end would be seen by the host's first process, if not by
    us; see `vmdriver.qemu.orphans.adopt_orphans`.
    """
    until = time.monotonic() + _GONE_S
    while reap_orphans(VIRTIOFSD) == 0 and time.monotonic() < until:
        time.sleep(_TICK_S)


def _children(pid: int) -> list[int]:
    children = []
    with contextlib.suppress(OSError):
        for path in Path(f"/proc/{pid}/task").glob("*/children"):
            children += [int(child) for child in path.read_text().split()]
    return children
