"""kill, delete, pause, resume, and what ends with them."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.commandline import hooks
from runtime.commandline.entry import Entry
from runtime.commandline.options import UsageError
from runtime.errors import ContainerError, SetupError, StateError
from runtime.oci import bundle as bundles
from runtime.oci.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cgroups import Group

_DEATH_S = 10.0


def chosen(root: Path, name: str, *, regex: bool) -> list[Entry]:
    """The container of that name, or all whose names match."""
    if not regex:
        return [Entry.open(root, name)]
    try:
        pattern = re.compile(name)
    except re.error as error:
        raise UsageError(f"{name!r} is no regular expression: {error}") from None
    return [entry for entry in Entry.all(root) if pattern.search(entry.record.id)]


def number_of(word: str) -> int:
    """A signal by number or name, with or without SIG, in any case.

    Raises:
        UsageError: there is none.
    """
    if word.isascii() and word.isdigit():
        number = int(word)
        if number == 0 or number in signal.valid_signals():
            return number
    name = word.upper().removeprefix("SIG")
    base, plus, offset = name.partition("+")
    if base == "RTMIN" and (not plus or offset.isdigit()):
        return int(signal.SIGRTMIN) + int(offset or 0)
    found = getattr(signal, f"SIG{name}", None)
    if isinstance(found, signal.Signals):
        return int(found)
    raise UsageError(f"{word!r} is no signal; give a number or a name such as TERM")


def kill(entry: Entry, number: int, *, everything: bool) -> None:
    """Signal the first process, or every one.

    Raises:
        StateError: it is not running.
    """
    group = entry.group()
    if everything and group:
        _kill_all(group, number)
        return
    if not entry.alive:
        if everything:
            return
        raise StateError(f"container not running: {entry.record.id!r} is stopped")
    try:
        os.kill(entry.record.pid, number)
    except ProcessLookupError:
        raise StateError(f"container not running: {entry.record.id!r} has just ended") from None


def _kill_all(group: Group, number: int) -> None:
    from runtime.usage import group_pids

    if number == signal.SIGKILL:
        group.kill()
        return
    for pid in group_pids({name: Path(path) for name, path in group.paths.items()}):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def delete(entry: Entry, *, force: bool, warn: Callable[[str], None]) -> None:
    """Remove a container that has stopped or was never started; a running one by `force`.

    Raises:
        StateError: it runs.
        SetupError: it outlives SIGKILL, or its group cannot be removed.
    """
    status = entry.status()
    if status in ("running", "paused") and not force:
        raise StateError(
            f"cannot delete {entry.record.id!r}: it is {status}; stop it, or use --force"
        )
    group = entry.group()
    try:
        if entry.alive:
            end(entry, group)
        elif group:
            group.kill()
        if group:
            group.remove()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"delete {entry.record.id}", reason, error.errno or 0) from error
    _poststop(entry, warn)
    entry.remove()


def end(entry: Entry, group: Group | None) -> None:
    """SIGKILL everything and wait for the first process.

    Raises:
        SetupError: it outlives SIGKILL.
    """
    try:
        pidfd = os.pidfd_open(entry.record.pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        if group:
            group.kill()
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        if not poll.poll(_DEATH_S * 1000) and entry.alive:
            raise SetupError(f"end {entry.record.id}", "its process outlives SIGKILL")
    finally:
        os.close(pidfd)


def _poststop(entry: Entry, warn: Callable[[str], None]) -> None:
    found = entry.record
    try:
        spec = bundles.parse(bundles.read_text(entry.config), Path(found.bundle))
        state = State(
            id=found.id, status="stopped", bundle=Path(found.bundle),
            annotations=found.annotations, oci_version=found.oci_version,
        ).to_object()  # fmt: skip
        hooks.run(spec.hooks.poststop, state)
    except ContainerError as error:
        warn(str(error))


def freeze(entry: Entry, *, frozen: bool) -> None:
    """Pause or resume.

    Raises:
        StateError: it is not in a state for that, or has no control group.
        SetupError: the kernel refused.
    """
    status = entry.status()
    allowed = ("created", "running") if frozen else ("paused",)
    if status not in allowed:
        word = "pause" if frozen else "resume"
        raise StateError(f"cannot {word} {entry.record.id!r}: it is {status}")
    group = entry.group()
    if group is None:
        raise StateError(f"{entry.record.id!r} has no control group to freeze")
    try:
        if frozen:
            group.freeze()
        else:
            group.thaw()
    except OSError as error:
        word = "pause" if frozen else "resume"
        raise SetupError(
            f"{word} {entry.record.id}", error.strerror or str(error), error.errno or 0
        ) from error
