"""Open libvirt and start domains through it.

libvirt's Python binding has no type stubs; here and in `vmdriver.libvirt.domain` its values become
typed ones.
"""

import contextlib
import os
import platform
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from vmdriver.architecture import of
from vmdriver.errors import ConnectError, RefusedError, VmError
from vmdriver.libvirt.domain import Domain
from vmdriver.libvirt.embedded import embed, library, without_system_bus

KEEPALIVE = (5, 5)
"""Seconds between questions to a daemon, and how many may stay unanswered: 30 s in all."""

_FORGOTTEN_S = 5.0
_AGAIN_S = 0.002
_LISTED = re.compile(r"domain '(.*)' (?:already exists with uuid|is already being removed)")

_CLOSED = {
    0: "an error on its socket",
    1: "the daemon has ended or closed it",
    2: "the daemon did not answer any more",
    3: "this process closed it",
}  # virConnectCloseReason


@dataclass(frozen=True)
class Watch:
    """What to call when something happens to a domain.

    Attributes:
        resumed: its CPUs run.
        powered_off: the guest has ended by itself; QEMU is still there, its CPUs halted.
        stopped: the domain is gone, or the connection is lost.
    """

    resumed: Callable[[], None]
    powered_off: Callable[[], None]
    stopped: Callable[[], None]


class Connection:
    """An open libvirt connection.

    Attributes:
        uri: what was opened.
        embedded: whether libvirt's driver runs in this process, and not in a daemon.
        root: the embedded driver's directory; None of a daemon.
        owner: user and group that QEMU runs as where a daemon gives it others than its own; None
            where it keeps them.
        lost: how the connection to the daemon was lost, in words; None while it stands.
        probing_s: seconds it took to open it and to learn what QEMU can do, paid once, and once
            more for each further architecture.
        knows_ps2: whether libvirt can leave out the PS/2 controller (10.0 refuses to be asked).
        version: libvirt's version, as ``11.3.0``.
    """

    def __init__(self, uri: str | None, root: Path) -> None:
        """Open ``uri``, or the embedded driver below ``root``.

        Where this process has embedded the driver elsewhere before, it stays there.

        Raises:
            ConnectError: libvirt or its QEMU driver is missing, or refuses.
        """
        self.embedded = uri is None
        if uri is None:
            try:
                root = embed(root)
            except OSError as error:
                raise ConnectError(
                    f"cannot prepare libvirt's directory {root}: {error.strerror}"
                ) from error
        self.root = root if self.embedded else None
        self.uri = uri or f"qemu:///embed?root={root}"
        began = time.monotonic()
        try:
            self._libvirt = library(root / "libvirt.log")
        except ImportError as error:
            raise ConnectError(
                f"the libvirt library cannot be loaded ({error}); install libvirt0"
            ) from error
        try:
            # The transport's name keeps a driver embedded in this process from taking it for its.
            self._connection = self._libvirt.open(
                self.uri if self.embedded else self.uri.replace("qemu:///", "qemu+unix:///", 1)
            )
            capabilities = self._capabilities(platform.machine())
            self.owner = None if self.embedded else _owner(self._connection.getCapabilities())
        except self._libvirt.libvirtError as error:
            advice = (
                "is libvirt-daemon-driver-qemu installed, and no other process at work on the same "
                "state directory?"
                if self.embedded
                else "is its daemon running, with QEMU's driver, and may this user open it?"
            )
            raise ConnectError(f"libvirt cannot open {self.uri}: {error}; {advice}") from error
        self.probing_s = time.monotonic() - began
        self._learned = {platform.machine()}
        self.knows_ps2 = "<ps2 supported='yes'/>" in capabilities
        number = int(self._connection.getLibVersion())
        self.version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
        self.lost: str | None = None
        self._registers_nowhere = False
        self._watched: dict[str, Watch] = {}
        self._lifecycle = self._connection.domainEventRegisterAny(
            None, self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_event, None
        )
        if not self.embedded:
            with contextlib.suppress(self._libvirt.libvirtError):
                self._connection.registerCloseCallback(self._on_close, None)
                self._connection.setKeepAlive(*KEEPALIVE)

    def knows(self, architecture: str) -> bool:
        """Whether libvirt has learned what that architecture's QEMU can do."""
        return architecture in self._learned

    def learn(self, architecture: str) -> None:
        """Have libvirt ask the architecture's QEMU what it can do.

        Raises:
            RefusedError: there is no such QEMU, or it does not run.
        """
        began = time.monotonic()
        try:
            self._capabilities(architecture)
        except self._libvirt.libvirtError as error:
            what = f"a guest of {architecture} ({of(architecture).qemu_remedy}?)"
            raise self._refused(what, error) from error
        self.probing_s += time.monotonic() - began
        self._learned.add(architecture)

    def _capabilities(self, architecture: str) -> str:
        """Domain capabilities (https://libvirt.org/formatdomaincaps.html)."""
        known = of(architecture)
        return str(self._connection.getDomainCapabilities(None, known.name, known.machine, "qemu"))

    def _on_event(self, _conn: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
        watch = self._watched.get(str(domain.name()))
        if watch is None:
            return
        if event in {
            self._libvirt.VIR_DOMAIN_EVENT_RESUMED,
            self._libvirt.VIR_DOMAIN_EVENT_STARTED,
        }:
            watch.resumed()
        elif event == self._libvirt.VIR_DOMAIN_EVENT_SHUTDOWN:
            watch.powered_off()
        elif event == self._libvirt.VIR_DOMAIN_EVENT_STOPPED:
            watch.stopped()

    def _on_close(self, _conn: Any, reason: int, _opaque: Any) -> None:
        self.lost = _CLOSED.get(reason, f"reason {reason}")
        for watch in list(self._watched.values()):
            watch.stopped()  # no event will come any more: nobody shall wait for one

    def watch(self, name: str, watch: Watch) -> None:
        """Call back, on libvirt's thread, when something happens to the domain."""
        self._watched[name] = watch

    def unwatch(self, name: str) -> None:
        """End `watch`."""
        self._watched.pop(name, None)

    def start(self, xml: str, what: str) -> Domain:
        """Start a transient domain; ``what`` names it in a message.

        Raises:
            RefusedError: with libvirt's and QEMU's own words.
            ConnectError: the connection is lost.
        """
        try:
            with self._unregistered():
                created = self._once_forgotten(lambda: self._connection.createXML(xml, 0))
            return Domain(self._libvirt, created)
        except self._libvirt.libvirtError as error:
            raise self._refused(what, error) from error

    def restore(self, path: Path, name: str) -> Domain:
        """Resume a saved domain from ``path``. Raises RefusedError, ConnectError."""
        try:
            with self._unregistered():
                self._once_forgotten(lambda: self._connection.restoreFlags(str(path), None, 0))
            return Domain(self._libvirt, self._connection.lookupByName(name))
        except self._libvirt.libvirtError as error:
            raise self._refused(f"the saved VM {path}", error) from error

    @contextlib.contextmanager
    def _unregistered(self) -> Iterator[None]:
        """Keep an embedded libvirt, which looks for a register once, from registering a VM."""
        if not self.embedded or self._registers_nowhere:
            yield
            return
        with without_system_bus():
            yield
        self._registers_nowhere = True

    def _once_forgotten(self, call: Callable[[], Any]) -> Any:
        """Make a call, and again while a domain of the same name is being dropped.

        A domain's last event comes before libvirt has taken it from its list. Until then its name
        is refused, although nobody finds it any more: who asks for it has to ask again.
        """
        until = time.monotonic() + _FORGOTTEN_S
        while True:
            try:
                return call()
            except self._libvirt.libvirtError as error:
                listed = _LISTED.search(str(error))
                if listed is None or self._finds(listed[1]) or time.monotonic() > until:
                    raise
            time.sleep(_AGAIN_S)

    def _finds(self, name: str) -> bool:
        try:
            self._connection.lookupByName(name)
        except self._libvirt.libvirtError:
            return False
        return True

    def _refused(self, what: str, error: Exception) -> VmError:
        if not self.alive():
            return ConnectError(self.how_lost(str(error)))
        words = " / ".join(str(error).split("\n"))
        if self.owner is not None and "Permission denied" in words:
            words += (
                f"; QEMU runs as the user {self.owner[0]} there: give it a state directory and "
                "files that this user can reach"
            )
        return RefusedError(f"{what} was refused: {words}")

    def how_lost(self, words: str | None = None) -> str:
        """A sentence on the lost connection."""
        return (
            f"the connection to {self.uri} is lost: {self.lost or words}; start the daemon again "
            "and open a new driver"
        )

    def names(self) -> list[str]:
        """Names of the domains libvirt knows of."""
        return [str(domain.name()) for domain in self._connection.listAllDomains()]

    def alive(self) -> bool:
        """Whether the connection still answers."""
        try:
            return self.lost is None and bool(self._connection.isAlive())
        except self._libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection."""
        with contextlib.suppress(self._libvirt.libvirtError):
            self._connection.domainEventDeregisterAny(self._lifecycle)
        if not self.embedded:
            with contextlib.suppress(self._libvirt.libvirtError):
                self._connection.unregisterCloseCallback()
        with contextlib.suppress(self._libvirt.libvirtError):
            self._connection.close()


def _owner(capabilities: str) -> tuple[int, int] | None:
    """User and group a daemon runs QEMU as, from the ``dac`` security model's base label.

    Format: https://libvirt.org/formatcaps.html. A daemon without root has no such model.
    """
    host = ET.fromstring(capabilities)  # noqa: S314  # libvirt's own words, not a stranger's
    for model in host.iterfind("host/secmodel"):
        label = model.findtext("baselabel[@type='qemu']")
        if model.findtext("model") == "dac" and label:
            user, _, group = label.replace("+", "").partition(":")
            return (int(user), int(group)) if int(user) != os.geteuid() else None
    return None
