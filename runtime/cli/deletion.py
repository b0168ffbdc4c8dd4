"""The end of a container, and the removal of what was made for it, finished or not."""

from __future__ import annotations

import contextlib
import os
import select
import signal

from runtime.errors import ContainerError, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.cgroups import Group
    from runtime.cli.entry import Entry
    from runtime.cli.record import Record
    from runtime.spec import Hook

_AT_ONCE_S, _DEATH_S = 0.5, 10.0


def delete_unfinished(entry: Entry, warn: Callable[[str], None]) -> None:
    """Remove a container that could not be made or started; what resists is only told."""
    try:
        delete_container(entry)
    except (OSError, ContainerError) as error:
        warn(f"something is left of {entry.record.id}: {error}; try delete --force")


def delete_container(entry: Entry) -> None:
    """End all its processes, then remove its control group and its directory.

    Raises:
        SetupError: a process outlives SIGKILL, or its group cannot be removed.
        StateError: its directory cannot be removed.
    """
    group = entry.group()
    try:
        if entry.alive:
            kill_all(entry, group)
        elif group:
            group.kill()
        if group:
            _remove_group(entry.record, group)
        else:
            _remove_planned(entry.record.made)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"delete {entry.record.id}", reason, error.errno or 0) from error
    entry.remove()


def run_poststop(hooks: Sequence[Hook], found: Record, warn: Callable[[str], None]) -> None:
    """Run what a bundle wants to be run after the end; failures are only told.

    Source: runtime.md, "Lifecycle", step 13.
    """
    from runtime.cli import hooks as running

    for hook in hooks:
        try:
            running.run([hook], found, "stopped")
        except ContainerError as error:
            warn(str(error))


def kill_all(entry: Entry, group: Group | None) -> None:
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
        if not poll.poll(_AT_ONCE_S * 1000) and group:
            # somebody may have moved it elsewhere and frozen it there; at home it goes on
            group.attach(entry.record.pid)
        if not poll.poll(_DEATH_S * 1000) and entry.alive:
            raise SetupError(f"end {entry.record.id}", "its process outlives SIGKILL")
    finally:
        os.close(pidfd)
    with contextlib.suppress(ChildProcessError):  # ours while it is being made
        os.waitpid(entry.record.pid, os.WNOHANG)


def _remove_group(found: Record, group: Group) -> None:
    """Remove the group, or wait until systemd has where it is a scope's."""
    if not found.scope:
        group.remove()
        return
    from runtime.cgroups import systemd

    for folder in group.paths.values():
        systemd.await_end(folder)


def _remove_planned(folders: list[str]) -> None:
    """Groups of a container that was never finished: which of them are there is not known."""
    if not folders:
        return
    from runtime.cgroups import files

    for folder in reversed(folders):
        if os.path.isdir(folder) and not files.pids(folder):
            files.remove_made([folder], ())
