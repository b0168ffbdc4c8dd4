"""A host left up by one process for others of the same checkout."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hosts.framework.checkout import ROOT
from tests.hosts.framework.errors import BootError
from tests.hosts.framework.hosts import HOSTS
from tests.hosts.framework.machine import Machine


def _note(name: str) -> Path:
    return ROOT / "build" / f"host-{name}.json"


@contextmanager
def offered(machine: Machine) -> Iterator[None]:
    """Write down where it is while the context is open."""
    note = _note(machine.host.name)
    note.parent.mkdir(exist_ok=True)
    where = {"port": machine.port, "key": str(machine.key), "control": str(machine.control)}
    note.write_text(json.dumps(where))
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def find(name: str) -> Machine:
    """The host of that name which another process of this checkout keeps up.

    Raises:
        BootError: none does.
    """
    try:
        where = json.loads(_note(name).read_text())
    except FileNotFoundError:
        where = {}
    machine = Machine(
        HOSTS[name],
        where.get("port", 0),
        Path(where.get("key", "")),
        Path(where.get("control", "")),
    )
    if not where or not machine.control.exists():
        raise BootError(f"no host {name} is up; start one with python -m tests.hosts.boot --keep")
    return machine


def wait() -> None:
    """Wait for Ctrl-C, or SIGTERM."""
    numbers = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    signal.sigwait(numbers)
