"""Rules for a workload's definition beyond its types; each message begins with the key."""

import math
import re

from benchmarks.results.records import Unit
from benchmarks.workloads.definition import ROLES, SPEEDS, Definition

_PORTS = range(1024, 1 << 16)
"""In a network of another user namespace a container's root may not bind lower ones."""

NAME = re.compile(r"[\w+-][\w .+-]{0,59}")
"""Files are called after campaigns and workloads."""
NAME_RULE = "1 to 60 letters, digits, blanks or ._+-, and begin with no dot or blank"

_STANDARD = ("throughput_per_s", "host_cpu_s", "host_cpu_s_per_event")


def check(workload: Definition) -> None:
    """Check a definition.

    Raises:
        ValueError: A value makes no sense; the message begins with the key.
    """
    if not NAME.fullmatch(workload.name):
        raise ValueError(f"name: must be {NAME_RULE}")
    if not workload.command:
        raise ValueError("command: name at least a program")
    if any("\0" in part for part in workload.command):
        raise ValueError("command: no argument of a program can hold a NUL character")
    if not 0 < workload.seconds < workload.timeout_s < math.inf:
        raise ValueError("timeout_s: must be above seconds, and seconds above 0")
    if workload.events is not None and workload.events < 1:
        raise ValueError("events: must be at least 1")
    if workload.neighbour is not None:
        if workload.roles() not in SPEEDS or workload.readings:
            raise ValueError("neighbour: needs a workload with a throughput and no readings")
        if not workload.neighbour.command or workload.neighbour.seconds < 1:
            raise ValueError("neighbour: needs a command, and seconds of 1 or more")
    _check_server(workload)
    _check_result(workload)
    _check_readings(workload)


def _check_server(workload: Definition) -> None:
    """Check that the command has its server's address, and the server a command and a port."""
    server = workload.server
    told = any("{server}" in part for part in workload.command)
    if server is None:
        if told:
            raise ValueError("command: {server} stands for the address of a [server]; add one")
        return
    if not told:
        raise ValueError("command: must name the address of its server, as {server}")
    if not server.command:
        raise ValueError("server: command must name at least a program")
    if server.port not in _PORTS:
        raise ValueError(f"server: port must be from {_PORTS[0]} to {_PORTS[-1]}")
    if workload.neighbour is not None:
        raise ValueError("server: a workload beside a neighbour has none")


def _check_result(workload: Definition) -> None:
    """Check that the result is read in one way, and gives what a speed or a word needs."""
    points = any(one.at.startswith("/") for one in workload.readings)
    if bool(workload.pattern) == bool(workload.paths or points):
        raise ValueError("pattern: give either pattern, or paths for a tool that writes JSON")
    key = "pattern" if workload.pattern else "paths"
    try:
        named = workload.named()
    except re.error as error:
        raise ValueError(f"pattern: is no regular expression: {error}") from error
    roles = workload.roles()
    if roles not in [*SPEEDS, {"word"}] and (roles or not workload.readings):
        raise ValueError(
            f"{key}: needs the named groups or paths rate and events, or events and seconds, "
            f"or word; it has {', '.join(sorted(roles)) or 'none'}",
        )
    if workload.events and "events" in named:
        raise ValueError(f"events: {key} gives them already; give one of the two")
    unread = sorted(named - ROLES - {one.at for one in workload.readings})
    if unread:
        raise ValueError(f"{key}: nothing reads {', '.join(unread)}; add a reading")
    for pointer in workload.paths.values():
        if not pointer.startswith("/"):
            raise ValueError(f"paths: {pointer!r} is no JSON Pointer; it must begin with /")


def _check_readings(workload: Definition) -> None:
    names = [one.name for one in workload.readings]
    if len(set(names)) < len(names) or set(names) & set(_STANDARD):
        raise ValueError(f"readings: a name stands twice or is one of {', '.join(_STANDARD)}")
    if names and workload.is_word():
        raise ValueError("readings: a workload whose result is a word has no others")
    for one in workload.readings:
        if one.unit is Unit.WORD or one.scale <= 0:
            raise ValueError(f"readings: {one.name} must be a number with a scale above 0")
        if workload.pattern and one.at not in workload.named():
            raise ValueError(f"readings: {one.name}: pattern has no named group {one.at!r}")
