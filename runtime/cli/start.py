"""start: the workload of a created container runs."""

from __future__ import annotations

import contextlib
import os
import socket

from runtime.cli.conversation import Conversation
from runtime.cli.sockets import connect
from runtime.errors import ContainerError, HookError, StateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtime.cli.entry import Entry
    from runtime.plan.steps import Operation


def start(entry: Entry, warn: Callable[[str], None]) -> None:
    """Let the workload of a created container run.

    Where one of the start's hooks fails, the container is stopped and removed (runtime.md,
    "Lifecycle").

    Args:
        entry: the container.
        warn: is told what does not stop the command.

    Raises:
        StateError: it is not in that state.
        SetupError: the filter cannot be loaded; HookError: a hook failed.
        ExecError: the program cannot be executed.
    """
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with Conversation(lambda: _steps(entry), channel) as talk:
        try:
            connect(channel, entry.socket)
        except OSError as error:
            raise _wrong_state(entry) from error
        if talk.hear() != "a":
            raise _wrong_state(entry)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(entry.socket)
        try:
            while word := talk.hear():
                if word == "n":
                    from runtime.cli import listener

                    listener.hand_over(entry.record, talk.take(), entry.record.pid, "creating")
        except HookError:
            _tear_down(entry, warn)
            raise
    if "poststart" in entry.record.hooks:
        _poststart(entry, warn)


def _poststart(entry: Entry, warn: Callable[[str], None]) -> None:
    from runtime.cli import hooks

    try:
        hooks.run(hooks.of(entry, "poststart"), entry.record, "running")
    except ContainerError:
        _tear_down(entry, warn)
        raise


def _tear_down(entry: Entry, warn: Callable[[str], None]) -> None:
    from runtime.cli.lifecycle import delete

    try:
        delete(entry, force=True, warn=warn)
    except ContainerError as error:
        warn(f"something is left of {entry.record.id}: {error}; try delete --force")


def _wrong_state(entry: Entry) -> StateError:
    status = entry.status()
    # one that has just been started by somebody else looks as if it were created
    status = "started already" if status == "created" else status
    return StateError(f"cannot start {entry.record.id}: it is {status}, not created")


def _steps(entry: Entry) -> Sequence[Operation]:
    """The plan that it was made by, of which a failure names a step."""
    from runtime.cli import specification
    from runtime.plan import builder

    spec = specification.load_copy(entry.config, entry.record.bundle)
    steps = builder.create(spec, detached=builder.Detached("", "", entry.record.cgroups))
    # what only its creation added stands before the wait for the start, and is done
    lacking = entry.record.steps - len(steps)
    return [steps[0]] * lacking + steps[max(0, -lacking) :]
