"""What a command changed on a host: the difference of two states, less what changes by itself."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.hosts.framework.machine import SOURCE, Machine

State = Mapping[str, Mapping[str, str]]

_BY_ITSELF: Mapping[str, str] = {
    "mounts": (
        # logind mounts one for each user who is logged in; systemd its units' credentials
        r"/run/user/\d+|/run/credentials/\S+|"
        # an automount, which anyone who looks into it sets off
        r"/proc/sys/fs/binfmt_misc( \(2\))?"
    ),
    "groups": (
        # logins, and systemd's services that start when asked over D-Bus or by a timer
        r"/user\.slice/.*|/system\.slice/(?:systemd-[a-z]+|dbus|cron|polkit|"
        r"getty@\S+|run-\S+|user-runtime-dir@\d+|system-\S+|modprobe@\S+)\.(?:service|scope|slice)(?:/.*)?|"
        r"/system\.slice/\S+\.(?:mount|automount)|/system\.slice/system-\S+"
    ),
    "processes": r"/usr/lib/systemd/\S+.*|/usr/sbin/cron.*|/sbin/agetty.*|\(\S+\)",
    "sysctls": r"fs/binfmt_misc/.*",
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
        own = re.compile(f"^(?:{_BY_ITSELF.get(kind, '$.')})$")
        lines += [
            f"{kind}: {name}: {was.get(name)!r} became {now.get(name)!r}"
            for name in sorted(was.keys() | now.keys())
            if was.get(name) != now.get(name) and not own.match(name)
        ]
    return lines


_PROGRAM = Path(__file__).with_name("state.py").name
