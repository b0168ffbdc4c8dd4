"""What a command changed on a host: the difference of two states, less what changes by itself."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hosts.framework.machine import SOURCE, Machine

State = Mapping[str, Mapping[str, str]]

_BY_ITSELF: Mapping[str, tuple[str, ...]] = {
    "mounts": (
        r"/run/user/\d+",  # logind's, one for each user who is logged in
        r"/run/credentials/\S+",  # systemd's, for its units
        r"/proc/sys/fs/binfmt_misc(?: \(2\))?",  # an automount, which a look into it sets off
    ),
    "sysctls": (r"fs/binfmt_misc/.*",),  # likewise
    "groups": (
        r"/user\.slice/user-\d+\.slice(?:/session-\S+\.scope|/user@.*)?",  # logins
        r"/system\.slice/(?:user-runtime-dir@\d+|modprobe@\S+|run-\S+)\.(?:service|scope)",
        # systemd's own services, which start when they are asked over D-Bus, and those of timers
        r"/system\.slice/(?:systemd-\w+|dbus|cron|getty@\S+)\.service",
        r"/system\.slice/\S+\.mount",
        # podman's, which its socket starts and which ends when nobody asks it for some time
        r"/system\.slice/netavark-dhcp-proxy\.service",
        # the controllers that systemd passes on to units which ask for them, as long as they do
        r"/(?:system\.slice|user\.slice)?",
        r"/machine\.slice",  # once libvirt has registered a guest with machined, it stays
        r"/system\.slice/system-\S+\.slice(?:/.*)?",
    ),
    "processes": (
        r"/usr/lib/systemd/\S+.*",
        r"/usr/sbin/cron.*",
        r"/sbin/agetty.*",
        r"\(.*\)",  # the kernel's, and one that ended while it was looked at
        r"/usr/lib/podman/netavark dhcp-proxy.*",  # likewise
    ),
    "files": (
        # tare's own state: the lock of campaigns, a folder for each sandbox, and for VMs what
        # libvirt found out about QEMU and the last guests' logs; the next run takes them over
        r"/run/tare(?:/[^/]+|/vm/.*)?",
        r"/var/cache/tare(?:/.*)?",  # what tare compiles when it is first needed
        r"/run/tare-oci",  # where tare-oci keeps its containers, as runc has /run/runc
        r"/run/libvirt/(?:hostdevmgr|common(?:/system\.token)?)",  # libvirt's, in any process
    ),
}


def look(machine: Machine) -> State:
    """Read the state of a host."""
    command = f"/usr/bin/python3 -I -S {SOURCE}/tests/hosts/framework/{_PROGRAM}"
    found: dict[str, Any] = json.loads(machine.run(command).stdout)
    return found


def between(before: State, after: State) -> list[str]:
    """Every difference, one line each."""
    lines = []
    for kind in before:
        was, now = before[kind], after[kind]
        own = [re.compile(pattern) for pattern in _BY_ITSELF.get(kind, ())]
        lines += [
            f"{kind}: {name}: {was.get(name)!r} became {now.get(name)!r}"
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name)
            and not any(pattern.fullmatch(name) for pattern in own)
        ]
    return lines


def assert_none(before: State, after: State) -> None:
    """Fail with every difference, one a line."""
    __tracebackhide__ = True
    if found := between(before, after):
        raise AssertionError("the host is not as it was:\n" + "\n".join(found))


_PROGRAM = Path(__file__).with_name("state.py").name
