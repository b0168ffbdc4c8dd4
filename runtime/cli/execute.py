"""exec: a further process in a container."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.cli import launch, specification
from runtime.cli.exec_process import exec_process
from runtime.cli.options import UsageError
from runtime.errors import SetupError, StateError
from runtime.plan import builder, entering
from runtime.spawner.executor import Roles

if TYPE_CHECKING:
    from socket import socket

    from runtime.cgroups import Group
    from runtime.cli.conversation import Conversation
    from runtime.cli.entry import Entry
    from runtime.cli.options import Options


def execute(
    entry: Entry, options: Options, command: list[str], *, console: socket | None = None
) -> tuple[int, int]:
    """Run a further process in a container.

    Args:
        entry: the container.
        options: of the command line.
        command: program and arguments, where no --process file gives them.
        console: takes its terminal, in place of a socket that the options name.

    Returns:
        Its process id, and a pidfd of it.

    Raises:
        StateError: the container is not in a state for that.
        SetupError: the kernel refused; ExecError: the program cannot be executed.
    """
    _check_status(entry, options)
    spec = specification.load_copy(entry.config, entry.record.bundle)
    process = exec_process(entry, spec, options, command)
    wanted = launch.ProcessOptions(
        console=options.get("console-socket"),
        console_channel=console,
        keep=options.count("preserve-fds", launch.MOST_KEPT),
        pid_file=options.get("pid-file"),
        pidfd_socket=options.get("pidfd-socket"),
        terminal=process.terminal,
    )
    wanted.check()
    with ExitStack() as stack:
        target = _open(entry)
        stack.callback(os.close, target)
        channel = wanted.connect(stack)
        group = _group(entry, options.get("cgroup"))
        root = f"/proc/{entry.record.pid}/root"
        compiled = specification.filter_of(spec)
        first = entering.filter_comes_first(spec, process, compiled.program if compiled else b"")
        steps = builder.execute(spec, process, orphan=True, root=root, filter_first=first)
        program = builder.program(
            spec,
            process,
            steps,
            enter=True,
            filter=compiled.program if compiled else b"",
            filter_flags=compiled.flags if compiled else 0,
        )
        launcher = stack.enter_context(launch.Launcher())
        talk = stack.enter_context(launch.converse(steps))
        roles = Roles(
            control=talk.theirs(),
            cgroup=group.into_fd() if group else -1,
            target=target,
            console=channel,
        )
        made = launcher.make(program, roles, wanted.descriptors())
        stack.callback(talk.drop)
        talk.release()
        try:
            launch.enter_group(group, made, talk)
            _await_exec(entry, talk, made.pid)
            wanted.send_pidfd(made.pidfd)
            wanted.write_pid(made.pid)
        except BaseException:
            _end(made.pid, made.pidfd)
            raise
        return made.pid, made.pidfd


def has_terminal(options: Options) -> bool:
    """Whether the process is to have a terminal."""
    name = options.get("process")
    if not name:
        return options.has("tty")
    return specification.read_process(name).terminal


def _await_exec(entry: Entry, talk: Conversation, pid: int) -> None:
    """Until the program runs.

    Raises:
        SetupError: a step failed, or the process was killed; ExecError: the program is missing.
    """
    ready = False
    while word := talk.hear():
        ready = ready or word == "r"
        if word == "n":
            from runtime.cli import listener

            listener.hand_over(entry.record, talk.take(), pid, "running")
    if not ready:
        raise SetupError(f"exec in {entry.record.id}", "its process was killed")


def _check_status(entry: Entry, options: Options) -> None:
    status = entry.status()
    if status in ("created", "running") or (status == "paused" and options.has("ignore-paused")):
        return
    if status == "paused":
        raise StateError(
            f"cannot exec in {entry.record.id}: it is paused, and what enters stops with it; "
            "resume it, or use --ignore-paused"
        )
    raise StateError(f"cannot exec in {entry.record.id}: it is {status}, not running")


def _open(entry: Entry) -> int:
    """A pidfd of the container's first process, and of no other.

    Raises:
        StateError: it has ended.
    """
    try:
        target = os.pidfd_open(entry.record.pid)
    except ProcessLookupError:
        raise StateError(f"cannot exec in {entry.record.id}: it has just ended") from None
    if entry.alive:
        return target
    os.close(target)
    raise StateError(f"cannot exec in {entry.record.id}: it has just ended")


def _end(pid: int, pidfd: int) -> None:
    import contextlib
    import signal

    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    os.close(pidfd)


def _group(entry: Entry, below: str | None) -> Group | None:
    """The container's group, or one below it that is made where it is missing.

    Raises:
        SetupError: the host refuses. UsageError: the name leads elsewhere.
    """
    group = entry.group()
    if not below or group is None:
        return group
    from runtime import cgroups

    parts = [part for part in below.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise UsageError(f"--cgroup {below[:40]!r} names no group below the container's")
    paths = {name: "/".join((path, *parts)) for name, path in group.paths.items()}
    try:
        for path in paths.values():
            os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise SetupError(f"make the control group {below}", error.strerror or "") from error
    return cgroups.open_at(paths)
