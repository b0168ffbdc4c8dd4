"""run and exec as a person uses them: staying until the program ends, or not (--detach)."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.cli import create, notify, start
from runtime.cli import execute as execution
from runtime.cli.deletion import delete_unfinished
from runtime.cli.foreground import Follower, become_subreaper
from runtime.cli.lifecycle import delete

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cli.entry import Entry
    from runtime.cli.options import Options


def run(root: str, name: str, options: Options, warn: Callable[[str], None]) -> int:
    """Create and start a container; unless detached, wait for its end and delete it.

    Returns:
        0 where detached, else the exit status of its program.

    Raises:
        ContainerError: it cannot be made or started; nothing is left.
    """
    if options.has("detach"):
        entry = create.create(root, name, options, warn)
        with _undone_on_failure(entry, warn), notify.Readiness(entry) as ready:
            start.start(entry, warn)
            ready.wait()
        return 0
    if not options.has("no-subreaper"):
        become_subreaper()
    with ExitStack() as stack:
        terminal = options.get("console-socket") is None and create.has_terminal(options)
        follower = stack.enter_context(Follower(terminal=terminal))
        entry = create.create(root, name, options, warn, console=follower.console)
        with _undone_on_failure(entry, warn):
            pidfd = os.pidfd_open(entry.record.pid)
            stack.callback(os.close, pidfd)
            ready = stack.enter_context(notify.Readiness(entry))
            start.start(entry, warn)
        try:
            return follower.follow(entry.record.pid, pidfd, ready)
        finally:
            if not options.has("keep"):
                delete(entry, force=True, warn=warn)


def execute(entry: Entry, options: Options, program: list[str]) -> int:
    """Run a further process in a container; unless detached, wait for its end.

    Returns:
        0 where detached, else its exit status.

    Raises:
        ContainerError: it cannot be made.
    """
    if options.has("detach"):
        _, pidfd = execution.execute(entry, options, program)
        os.close(pidfd)
        return 0
    with ExitStack() as stack:
        terminal = options.get("console-socket") is None and execution.has_terminal(options)
        follower = stack.enter_context(Follower(terminal=terminal))
        pid, pidfd = execution.execute(entry, options, program, console=follower.console)
        stack.callback(os.close, pidfd)
        return follower.follow(pid, pidfd)


def _undone_on_failure(entry: Entry, warn: Callable[[str], None]) -> ExitStack:
    """A context whose failure removes the container."""
    stack = ExitStack()

    def leave(kind: object, *_: object) -> bool:
        if kind is not None and os.path.isdir(entry.folder):
            delete_unfinished(entry, warn)
        return False

    stack.push(leave)
    return stack
