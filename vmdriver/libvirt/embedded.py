"""Embed libvirt in this process: its event loop, and the directory of its driver.

Three facts of the embedded driver (``qemu:///embed?root=DIR``, https://libvirt.org/drvqemu.html)
shape this module: an event loop must be registered and run before a connection opens, the driver's
files all live below ``DIR``, and one process can have one ``DIR`` in its whole life, also after it
was closed.
"""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
# Else libvirt asks QEMU for each feature of the CPU by a question of its own, some 460 a start, to
# complete a description that nobody here reads. QEMU's command line is the same without.
capability_filters = [ "cpu-unavailable-features" ]
"""
"""libvirt's ``qemu.conf`` in the embedded driver's directory."""


def settings() -> dict[str, str]:
    """What `QEMU_CONF` sets, by name, as it stands there."""
    lines = (line.partition(" = ") for line in QEMU_CONF.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in lines}


_loop_lock = threading.Lock()
_bus_lock = threading.Lock()
_addresses: list[str | None] = []
_loop_runs = False
_embedded_root: Path | None = None

_SYSTEM_BUS = "DBUS_SYSTEM_BUS_ADDRESS"
_DIRECTORIES = ("etc", "lib/qemu", "run/qemu", "log/qemu", "cache/qemu")


def library(log: Path) -> Any:
    """Import libvirt, quiet on standard error, with its event loop running in a thread.

    Args:
        log: where the library's own warnings go, unless LIBVIRT_LOG_OUTPUTS says otherwise.

    Raises:
        ImportError: libvirt is not installed.
    """
    global _loop_runs  # noqa: PLW0603  # libvirt's event loop is one a process, whatever we prefer
    ours = "LIBVIRT_LOG_OUTPUTS" not in os.environ
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


def embed(root: Path) -> Path:
    """Prepare the embedded driver's directory; the one this process must use. Raises OSError."""
    global _embedded_root  # noqa: PLW0603  # libvirt's own limit: one a process
    with _loop_lock:
        root = _embedded_root = _embedded_root or root
        for directory in _DIRECTORIES:
            (root / directory).mkdir(parents=True, exist_ok=True)
        (root / "etc" / "qemu.conf").write_text(QEMU_CONF)
    return root


@contextlib.contextmanager
def without_system_bus() -> Iterator[None]:
    """Let libvirt, which asks for D-Bus's system bus once in its life, find none.

    On a host with systemd it would register every VM with systemd-machined, whatever `QEMU_CONF`
    says of cgroups: a service started for it, a scope of its own for QEMU in ``machine.slice``, of
    which QEMU is taken out again at once, and a slice that stays. That is the host's to have of
    VMs that are to be seen; these belong to the harness alone.
    """
    with _bus_lock:
        _addresses.append(os.environ.get(_SYSTEM_BUS))
        os.environ[_SYSTEM_BUS] = "unix:path=/nonexistent"
    try:
        yield
    finally:
        with _bus_lock:
            before = _addresses.pop()  # that of the first to come is left to the last to go
            if not _addresses:
                del os.environ[_SYSTEM_BUS]
                if before is not None:
                    os.environ[_SYSTEM_BUS] = before


def _run_loop(libvirt: Any) -> None:
    # A timer makes the loop turn even when no connection is open, so that handles added by
    # another thread are seen at once on libvirt versions that do not wake it themselves.
    libvirt.virEventAddTimeout(1000, lambda _timer, _opaque: None, None)
    while True:
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()
