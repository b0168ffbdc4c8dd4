"""run and exec as a person uses them: staying until the program ends, or not (--detach)."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.commandline import create, lifecycle
from runtime.commandline import execute as execution
from runtime.commandline.foreground import Console, become_subreaper, follow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from runtime.commandline.entry import Entry
    from runtime.commandline.options import Options


def run(root: Path, name: str, options: Options, *, warn: Callable[[str], None]) -> int:
    """Create and start a container; unless detached, wait for its end and delete it.

    Returns:
        0 where detached, else the exit status of its program.

    Raises:
        ContainerError: it cannot be made or started; nothing is left.
    """
    detach = options.has("detach")
    with ExitStack() as stack:
        console: Console | None = None
        if not detach:
            if not options.has("no-subreaper"):
                become_subreaper()
            if options.get("console-socket") is None and create.has_terminal(options):
                console = stack.enter_context(Console())
                options.single["console-socket"] = console.path
        entry = create.create(root, name, options, warn=warn)
        try:
            pidfd = os.pidfd_open(entry.record.pid)
            master = console.master() if console else -1
            create.start(entry)
        except BaseException:
            create.undo(entry)
            raise
        if detach:
            os.close(pidfd)
            return 0
        try:
            return follow(entry.record.pid, pidfd, master)
        finally:
            if not options.has("keep"):
                lifecycle.delete(entry, force=True, warn=warn)


def execute(entry: Entry, options: Options, program: list[str]) -> int:
    """Run a further process in a container; unless detached, wait for its end.

    Returns:
        0 where detached, else its exit status.

    Raises:
        ContainerError: it cannot be made.
    """
    detach = options.has("detach")
    path = options.get("console-socket")
    with ExitStack() as stack:
        console: Console | None = None
        if path is None and not detach and execution.has_terminal(options):
            console = stack.enter_context(Console())
            path = console.path
        pid, pidfd = execution.execute(entry, options, program, path)
        if detach:
            os.close(pidfd)
            return 0
        return follow(pid, pidfd, console.master() if console else -1)
