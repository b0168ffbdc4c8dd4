"""The only module that touches libvirt: a small typed face of what the driver needs.

libvirt's Python binding has no type stubs; here its values become ours. Three facts of the embedded
driver (``qemu:///embed?root=DIR``, https://libvirt.org/drvqemu.html) shape this module: an event
loop must be registered and run before the connection opens, the driver's files all live below
``DIR``, and one process can have one ``DIR`` in its whole life, also after it was closed.
"""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from vmdriver.errors import ConnectError, RefusedError, VmError, VmGoneError

QEMU_CONF = """\
# No daemon keeps logs, no security driver relabels, no namespace is unshared: the harness owns all.
stdio_handler = "file"
security_driver = "none"
security_default_confined = 0
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
namespaces = []
cgroup_controllers = []
max_core = 0
# Straight from QEMU into a sparse file (mapped-ram): the other formats need libvirt_iohelper.
save_image_format = "sparse"
"""

_loop_lock = threading.Lock()
_loop_runs = False
_embedded_root: Path | None = None

_EMBEDDED_DIRECTORIES = ("etc", "lib/qemu", "run/qemu", "log/qemu", "cache/qemu")


def _libvirt(log: Path | None = None) -> Any:
    """Imports libvirt, quiet on standard error, with its event loop running in a thread."""
    global _loop_runs  # noqa: PLW0603  # libvirt's event loop is one a process, whatever we prefer
    ours = log is not None and "LIBVIRT_LOG_OUTPUTS" not in os.environ
    if ours:
        os.environ["LIBVIRT_LOG_OUTPUTS"] = f"3:file:{log}"
    import libvirt  # 40 ms and a shared library: not for those who only build XML

    if ours:  # read when the library was loaded; children have no business with our log
        del os.environ["LIBVIRT_LOG_OUTPUTS"]

    with _loop_lock:
        if not _loop_runs:
            libvirt.virEventRegisterDefaultImpl()
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            threading.Thread(target=_run_loop, args=(libvirt,), name="libvirt", daemon=True).start()
            _loop_runs = True
    return libvirt


def _embed(root: Path) -> Path:
    """Prepares the embedded driver's directory; the one this process must use."""
    global _embedded_root  # noqa: PLW0603  # libvirt's own limit: one a process
    with _loop_lock:
        root = _embedded_root = _embedded_root or root
        for directory in _EMBEDDED_DIRECTORIES:
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "etc" / "qemu.conf").write_text(QEMU_CONF)
    return root


def _run_loop(libvirt: Any) -> None:
    # A timer makes the loop turn even when no connection is open, so that handles added by
    # another thread are seen at once on libvirt versions that do not wake it themselves.
    libvirt.virEventAddTimeout(1000, lambda _timer, _opaque: None, None)
    while True:
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()


class Domain:
    """A running libvirt domain."""

    def __init__(self, libvirt: Any, domain: Any) -> None:
        self._libvirt = libvirt
        self._domain = domain
        self.uuid: str = domain.UUIDString()

    def xml(self) -> str:
        """The live XML, as libvirt completed it. Raises VmGoneError when the domain has ended."""
        try:
            return str(self._domain.XMLDesc())
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"libvirt no longer knows the domain: {error}") from error

    def destroy(self) -> None:
        """Ends the domain at once; nothing to do when it has ended."""
        with contextlib.suppress(self._libvirt.libvirtError):
            self._domain.destroy()

    def save(self, path: Path) -> None:
        """Saves RAM and devices to ``path``; the domain ends. Raises VmGoneError."""
        try:
            self._domain.save(str(path))
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"libvirt could not save the VM to {path}: {error}") from error

    def snapshot(self, path: Path, disks: Iterable[str]) -> None:
        """Writes RAM and devices, not ``disks``, to ``path``; the domain goes on.

        libvirt streams it through a helper of its own: the sparse format of `QEMU_CONF` is refused
        by its own restore when the domain went on (11.3).

        Raises:
            VmError: libvirt could not.
        """
        memory = f"<memory snapshot='external' file={quoteattr(str(path))}/>"
        none = "".join(f"<disk name='{name}' snapshot='no'/>" for name in disks)
        xml = f"<domainsnapshot>{memory}<disks>{none}</disks></domainsnapshot>"
        flags = self._libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
        try:
            self._domain.snapshotCreateXML(xml, flags)
        except self._libvirt.libvirtError as error:
            raise VmError(
                f"libvirt could not write a snapshot to {path}: {error}; it needs its "
                "libvirt_iohelper, install libvirt-daemon-common"
            ) from error

    def set_memory(self, size_bytes: int) -> None:
        """Asks the guest's balloon to leave it that much. Raises VmGoneError."""
        try:
            self._domain.setMemoryFlags(size_bytes >> 10, self._libvirt.VIR_DOMAIN_AFFECT_LIVE)
        except self._libvirt.libvirtError as error:
            raise VmGoneError(f"libvirt could not set the guest's memory: {error}") from error


class Connection:
    """An open libvirt connection.

    Attributes:
        uri: what was opened.
        probing_s: seconds it took to open it and to learn what QEMU can do, paid once.
        knows_ps2: whether libvirt can leave out the PS/2 controller (10.0 refuses to be asked).
        version: libvirt's version, as ``11.3.0``.
    """

    def __init__(self, uri: str | None, root: Path) -> None:
        """Opens ``uri``, or the embedded driver below ``root``.

        Where this process has embedded the driver elsewhere before, it stays there.

        Raises:
            ConnectError: libvirt or its QEMU driver is missing, or refuses.
        """
        if uri is None:
            try:
                root = _embed(root)
            except OSError as error:
                raise ConnectError(
                    f"cannot prepare libvirt's directory {root}: {error.strerror}"
                ) from error
        self.uri = uri or f"qemu:///embed?root={root}"
        began = time.monotonic()
        try:
            self._libvirt = _libvirt(root / "libvirt.log")
        except ImportError as error:
            raise ConnectError(
                f"the libvirt library cannot be loaded ({error}); install libvirt0"
            ) from error
        try:
            self._connection = self._libvirt.open(self.uri)
            capabilities = self._connection.getDomainCapabilities(None, None, "q35", "qemu")
        except self._libvirt.libvirtError as error:
            raise ConnectError(
                f"libvirt cannot open {self.uri}: {error}; is libvirt-daemon-driver-qemu "
                "installed, and no other process at work on the same state directory?"
            ) from error
        self.probing_s = time.monotonic() - began
        self.knows_ps2 = "<ps2 supported='yes'/>" in capabilities
        number = int(self._connection.getLibVersion())
        self.version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
        self._resumed: dict[str, Callable[[], None]] = {}
        self._stopped: dict[str, Callable[[], None]] = {}
        self._lifecycle = self._connection.domainEventRegisterAny(
            None, self._libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_event, None
        )

    def _on_event(self, _conn: Any, domain: Any, event: int, _detail: int, _opaque: Any) -> None:
        name = str(domain.name())
        callbacks = {
            self._libvirt.VIR_DOMAIN_EVENT_RESUMED: self._resumed,
            self._libvirt.VIR_DOMAIN_EVENT_STARTED: self._resumed,
            self._libvirt.VIR_DOMAIN_EVENT_STOPPED: self._stopped,
        }.get(event, {})
        callback = callbacks.get(name)
        if callback is not None:
            callback()

    def watch(self, name: str, resumed: Callable[[], None], stopped: Callable[[], None]) -> None:
        """Calls back, on libvirt's thread, when the domain's CPUs first run and when it is gone."""
        self._resumed[name] = resumed
        self._stopped[name] = stopped

    def unwatch(self, name: str) -> None:
        """Ends `watch`."""
        self._resumed.pop(name, None)
        self._stopped.pop(name, None)

    def start(self, xml: str, what: str) -> Domain:
        """Starts a transient domain; ``what`` names it in a message.

        Raises:
            RefusedError: with libvirt's and QEMU's own words.
            ConnectError: the connection is lost.
        """
        try:
            return Domain(self._libvirt, self._connection.createXML(xml, 0))
        except self._libvirt.libvirtError as error:
            if not self.alive():
                raise ConnectError(f"the connection to {self.uri} is lost: {error}") from error
            raise RefusedError(
                f"{what} was refused: {' / '.join(str(error).split(chr(10)))}"
            ) from error

    def restore(self, path: Path, name: str) -> Domain:
        """Resumes a saved domain from ``path``. Raises RefusedError."""
        try:
            self._connection.restoreFlags(str(path), None, 0)
            return Domain(self._libvirt, self._connection.lookupByName(name))
        except self._libvirt.libvirtError as error:
            raise RefusedError(f"the saved VM {path} was refused: {error}") from error

    def names(self) -> list[str]:
        """Names of the domains libvirt knows of."""
        return [str(domain.name()) for domain in self._connection.listAllDomains()]

    def alive(self) -> bool:
        """Whether the connection still answers."""
        try:
            return bool(self._connection.isAlive())
        except self._libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Closes the connection."""
        with contextlib.suppress(self._libvirt.libvirtError):
            self._connection.domainEventDeregisterAny(self._lifecycle)
        with contextlib.suppress(self._libvirt.libvirtError):
            self._connection.close()
