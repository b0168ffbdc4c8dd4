"""A domain's name, asked for while libvirt is still dropping the domain that had it."""

from types import SimpleNamespace
from typing import Any

import pytest

from vmdriver import RefusedError
from vmdriver.libvirt.connection import Connection

EXISTS = "operation failed: domain 'one' already exists with uuid 9473a422"


class LibvirtError(Exception):
    """What libvirt raises."""


class Daemon:
    """Refuses a name so many times, although it finds nobody of that name, or does."""

    def __init__(self, refusals: int, *, found: bool = False) -> None:
        self.refusals, self.found, self.asked = refusals, found, 0

    def createXML(self, _xml: str, _flags: int) -> Any:  # noqa: N802  # libvirt's name
        self.asked += 1
        if self.asked <= self.refusals:
            raise LibvirtError(EXISTS)
        return SimpleNamespace(UUIDString=lambda: "9473a422")

    def lookupByName(self, _name: str) -> None:  # noqa: N802  # likewise
        if not self.found:
            raise LibvirtError("Domain not found")

    def isAlive(self) -> bool:  # noqa: N802  # likewise
        return True


def connection(daemon: Daemon) -> Connection:
    made = Connection.__new__(Connection)
    made._libvirt = SimpleNamespace(libvirtError=LibvirtError)
    made._connection = daemon
    made.lost = None
    made.owner = None
    made.embedded = False
    return made


def test_a_name_is_asked_for_again_until_it_is_free() -> None:
    daemon = Daemon(3)
    connection(daemon).start("<domain/>", "the VM one")
    assert daemon.asked == 4


def test_a_name_that_somebody_has_is_refused_at_once() -> None:
    daemon = Daemon(3, found=True)
    with pytest.raises(RefusedError, match="already exists"):
        connection(daemon).start("<domain/>", "the VM one")
    assert daemon.asked == 1
