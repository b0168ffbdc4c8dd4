"""kill, delete, pause, resume."""

from __future__ import annotations

import contextlib
import os
import re
import signal

from runtime.cli.deletion import delete_container, run_poststop
from runtime.cli.entry import Entry, HalfMadeError, check_id, remove_folder
from runtime.cli.options import UsageError
from runtime.errors import ContainerError, SetupError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.cgroups import Group
    from runtime.spec import Hook


def chosen(root: str, name: str, *, regex: bool, force: bool = False) -> list[Entry]:
    """The container of that name, or all whose names match.

    Args:
        root: directory of all containers.
        name: of one, or an expression.
        regex: which of both.
        force: one that does not exist is no error, and one that was never finished is removed.

    Raises:
        StateError: it does not exist. UsageError: the expression is none.
    """
    if regex:
        try:
            pattern = re.compile(name)
        except re.error as error:
            raise UsageError(f"{name[:40]!r} is no regular expression: {error}") from None
        return [entry for entry in Entry.all(root) if pattern.search(entry.record.id)]
    try:
        return [Entry.open(root, name)]
    except HalfMadeError as error:
        if not force:
            raise
        remove_folder(error.folder)
        return []
    except StateError:
        if force and not os.path.exists(f"{root}/{name}"):
            check_id(name)
            return []
        raise


def kill(entry: Entry, number: int, *, everything: bool) -> None:
    """Signal the first process, or every one.

    Raises:
        StateError: it is not running.
    """
    if everything:
        group = entry.group()
        if group:
            _kill_all(group, number)
            return
    if not entry.alive:
        if everything:
            return
        raise StateError(f"container not running: {entry.record.id} is {entry.status()}")
    try:
        os.kill(entry.record.pid, number)
    except ProcessLookupError:
        raise StateError(f"container not running: {entry.record.id} has just ended") from None
    if number == signal.SIGKILL and entry.record.shares_pids:
        group = entry.group()
        if group:
            group.kill()


def _kill_all(group: Group, number: int) -> None:
    from runtime.cgroups import files

    if number == signal.SIGKILL:
        group.kill()
        return
    for pid in files.pids(next(iter(group.paths.values()))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def delete(entry: Entry, *, force: bool, warn: Callable[[str], None]) -> None:
    """Remove a container that has stopped or was never started; a running one by `force`.

    Raises:
        StateError: it runs.
        SetupError: it outlives SIGKILL, or its group cannot be removed.
    """
    status = entry.status()
    if status not in ("stopped", "created") and not force:
        raise StateError(
            f"cannot delete {entry.record.id}: it is {status}; stop it, or use --force"
        )
    hooks = _poststop_hooks(entry, warn)
    delete_container(entry)
    run_poststop(hooks, entry.record, warn)


def _poststop_hooks(entry: Entry, warn: Callable[[str], None]) -> Sequence[Hook]:
    """Read before the end: they stand in the directory that goes."""
    if "poststop" not in entry.record.hooks:
        return ()
    from runtime.cli import hooks

    try:
        return hooks.of(entry, "poststop")
    except ContainerError as error:
        warn(f"the poststop hooks of {entry.record.id} do not run: {error}")
        return ()


def freeze(entry: Entry, *, frozen: bool) -> None:
    """Pause or resume.

    Raises:
        StateError: it is not in a state for that, or has no control group.
        SetupError: the kernel refused.
    """
    word = "pause" if frozen else "resume"
    status = entry.status()
    group = entry.group()
    # one whose first process has ended may have others that stand still
    allowed = ("created", "running") if frozen else ("paused", "stopped")
    if status not in allowed:
        raise StateError(f"cannot {word} {entry.record.id}: it is {status}")
    if group is None:
        raise StateError(f"{entry.record.id} has no control group to freeze")
    try:
        if frozen:
            group.freeze()
        elif not group.frozen():
            raise StateError(f"cannot resume {entry.record.id}: it is {status}, not paused")
        else:
            group.thaw()
    except OSError as error:
        what = f"{word} {entry.record.id}"
        reason = error.strerror or str(error)
        raise SetupError(what, reason, error.errno or 0) from error
