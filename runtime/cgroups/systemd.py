"""Scopes of systemd: groups that it delegates, where it manages the hierarchy.

systemd is the only writer of its hierarchy, but for what stands below a unit with Delegate=
(systemd's CGROUP_DELEGATION). A scope holds processes that others have started, and ends with the
last of them (org.freedesktop.systemd1(5), StartTransientUnit). It is asked for by busctl(1), which
comes with systemd: the spawner sees no packages, and no library is less than one command.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from typing import TYPE_CHECKING

from runtime.cgroups import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Of units that systemd gives processes to.
SUFFIXES = (".scope", ".service", ".slice")
#: One property of a unit: name, D-Bus signature, and its values as busctl(1) takes them.
Property = tuple[str, str, tuple[str, ...]]
UNLIMITED = str(2**64 - 1)
_BOOTED, _PRIVATE = "/run/systemd/system", "/run/systemd/private"
_MANAGER = "org.freedesktop.systemd1"
#: A host that is busy, or emulated, takes its time; nothing but the first start waits for this.
_PATIENCE_S, _END_S, _PAUSE_S = 30, 5.0, 0.005
_EVER: tuple[Property, ...] = (
    ("Delegate", "b", ("true",)),
    ("CollectMode", "s", ("inactive-or-failed",)),
)


def manages() -> bool:
    """Whether systemd is the init of this host, or of this container (sd_booted(3))."""
    return os.path.isdir(_BOOTED)


def is_delegated(folder: str) -> bool:
    """Whether systemd has said of a group that what is below it is somebody else's.

    The first attribute is there for all since systemd 251, the other for root.
    """
    for name in ("user.delegate", "trusted.delegate"):
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"1":
                return True
    return False


def start_scope(
    unit: str,
    pid: int,
    description: str,
    *,
    slice_: str = "",
    properties: Iterable[Property] = (),
) -> str:
    """Have systemd make a scope and move a process into it.

    Args:
        unit: its name.
        pid: of the process.
        description: what `systemctl status` says of it.
        slice_: the slice it is in; system.slice, or a user's app.slice where it is "".
        properties: further ones.

    Returns:
        Path of its group below the mount point of the hierarchy.

    Raises:
        CgroupOSError: it cannot be asked, or refuses; says why.
    """
    wanted: list[Property] = [
        ("Description", "s", (description,)),
        ("PIDs", "au", ("1", str(pid))),
        *_EVER,
        *([("Slice", "s", (slice_,))] if slice_ else []),
        *properties,
    ]
    _call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", *_encoded(wanted), "0")
    deadline = time.monotonic() + _PATIENCE_S
    while not (path := _group_of(pid)).endswith(f"/{unit}"):
        if time.monotonic() > deadline:
            _stop(unit)
            raise files.refusal(
                f"systemd has not moved process {pid} into {unit} within {_PATIENCE_S} s; see "
                f"journalctl --unit {unit}",
                errno.ETIMEDOUT,
            )
        time.sleep(_PAUSE_S)
    return path


def set_properties(unit: str, properties: Iterable[Property]) -> None:
    """Change limits of a unit, until it ends: else systemd would write the old ones again.

    Raises:
        CgroupOSError: it cannot be asked, or refuses; says why.
    """
    _call("SetUnitProperties", "sba(sv)", unit, "true", *_encoded(list(properties)))


def await_end(folder: str) -> None:
    """Wait until systemd has removed the group of a scope whose processes have ended.

    Raises:
        CgroupOSError: it cannot be asked to, or refuses.
    """
    if _is_gone(folder):
        return
    _call("StopUnit", "ss", os.path.basename(folder), "replace")
    if not _is_gone(folder):
        raise files.refusal(f"systemd has not ended {os.path.basename(folder)}", errno.EBUSY)


class Scope:
    """A scope with a process of its own in it, that ends when this one does; see `close`.

    Args:
        unit: its name.
        description: what `systemctl status` says of it.
        slice_: as for `start_scope`.
        properties: likewise.

    Attributes:
        group: path of its group below the mount point of the hierarchy.

    Raises:
        CgroupOSError: systemd cannot be asked, or refuses.
    """

    def __init__(
        self,
        unit: str,
        description: str,
        *,
        slice_: str = "",
        properties: Iterable[Property] = (),
    ) -> None:
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            # reads until the other end is closed, by `close` or by our death
            self._pid = _spawn(["cat"], stdin=ours)
        except BaseException:
            os.close(theirs)
            raise
        finally:
            os.close(ours)
        self._pipe = theirs
        try:
            self.group = start_scope(
                unit, self._pid, description, slice_=slice_, properties=properties
            )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End its process; the scope ends when nothing else is in it."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)


def _encoded(properties: list[Property]) -> list[str]:
    words = [str(len(properties))]
    for name, signature, values in properties:
        words += [name, signature, *values]
    return words


def _is_gone(folder: str) -> bool:
    deadline = time.monotonic() + _END_S
    while os.path.isdir(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def _stop(unit: str) -> None:
    with contextlib.suppress(OSError):
        _call("StopUnit", "ss", unit, "replace")


def _group_of(pid: int) -> str:
    try:
        lines = files.read(f"/proc/{pid}/cgroup").splitlines()
    except OSError as error:
        raise files.refusal(
            f"process {pid} ended while systemd made its scope", errno.ESRCH
        ) from error
    return next((line[3:] for line in lines if line.startswith("0::")), "")


def _call(method: str, *arguments: str) -> None:
    """Call a method of systemd's manager: the system's, or an ordinary user's own.

    Raises:
        CgroupOSError: with busctl's words.
    """
    ours = os.access(_PRIVATE, os.W_OK) if os.path.exists(_PRIVATE) else os.geteuid() == 0
    env = dict(os.environ, LC_ALL="C")
    if not ours:
        env["XDG_RUNTIME_DIR"] = _runtime_folder()
    listening, told = os.pipe2(os.O_CLOEXEC)
    try:
        pid = _spawn(
            ["busctl", "--system" if ours else "--user", "--quiet", f"--timeout={_PATIENCE_S}",
             "call", _MANAGER, "/org/freedesktop/systemd1", f"{_MANAGER}.Manager",
             method, *arguments],
            stderr=told, env=env,
        )  # fmt: skip
    except BaseException:
        os.close(listening)
        raise
    finally:
        os.close(told)
    with os.fdopen(listening, errors="replace") as pipe:
        said = " ".join(pipe.read().split()).removeprefix("Call failed: ")
    _, status = os.waitpid(pid, 0)
    if status:
        reason = said.partition(" (consider")[0].rstrip(".") or "busctl fails"
        raise files.refusal(f"systemd refuses {method}: {reason}")


def _runtime_folder() -> str:
    """Where the bus of our user's own manager is; su(1) takes the variable away, sudo(8) does not.

    Raises:
        CgroupOSError: there is no such manager.
    """
    for folder in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.geteuid()}"):
        with contextlib.suppress(OSError):
            if folder and os.stat(folder).st_uid == os.geteuid():
                return folder
    raise files.refusal(
        f"user {os.geteuid()} has no manager of systemd's that could delegate a control group; log "
        "in, or have root run loginctl enable-linger"
    )


def _spawn(
    argv: list[str], *, stdin: int = -1, stderr: int = -1, env: Mapping[str, str] | None = None
) -> int:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    places = (null if stdin < 0 else stdin, null, null if stderr < 0 else stderr)
    try:
        return os.posix_spawnp(
            argv[0],
            argv,
            os.environ if env is None else env,
            file_actions=[(os.POSIX_SPAWN_DUP2, here, there) for there, here in enumerate(places)],
            setsid=True,
            setsigdef=(),
        )
    except FileNotFoundError as error:
        raise files.refusal(
            f"systemd manages the control groups of this host, and {argv[0]}, which is needed to "
            "have it make one, is not installed"
        ) from error
    finally:
        os.close(null)
