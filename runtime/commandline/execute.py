"""exec: a further process in a container."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import capabilities, cgroups, plan
from runtime.commandline import making
from runtime.commandline.create import filter_of, load_copy
from runtime.commandline.home import with_home
from runtime.commandline.options import UsageError
from runtime.errors import SetupError, StateError
from runtime.oci import bundle as bundles
from runtime.oci import process as processes
from runtime.oci.document import decode
from runtime.oci.node import Aside, Node
from runtime.spawner.executor import Roles
from runtime.spec import CapabilitySets, User

if TYPE_CHECKING:
    from runtime.cgroups import Group
    from runtime.commandline.entry import Entry
    from runtime.commandline.options import Options
    from runtime.spawner.executor import Made
    from runtime.spec import Process, Spec


def execute(
    entry: Entry, options: Options, command: list[str], console: str | None
) -> tuple[int, int]:
    """Run a further process in a container.

    Args:
        entry: the container.
        options: of the command line.
        command: program and arguments, where no --process file gives them.
        console: path of the socket for its terminal.

    Returns:
        Its process id, and a pidfd of it.

    Raises:
        StateError: the container is not in a state for that.
        SetupError: the kernel refused; ExecError: the program cannot be executed.
    """
    status = entry.status()
    if status not in ("created", "running") and not (
        status == "paused" and options.has("ignore-paused")
    ):
        raise StateError(f"cannot exec in {entry.record.id!r}: it is {status}, not running")
    spec = load_copy(entry)
    process = _process(entry, spec, options, command)
    with ExitStack() as stack:
        target = os.pidfd_open(entry.record.pid)
        stack.callback(os.close, target)
        wanted = making.Wanted(
            console=console,
            keep=options.number("preserve-fds", 0) or 0,
            pid_file=options.get("pid-file"),
            terminal=process.terminal,
        )
        channel = wanted.connect(stack)
        group = _group(entry, options.get("cgroup"))
        steps = plan.execute(spec, process, orphan=True)
        compiled = filter_of(spec)
        program = plan.program(
            spec,
            process,
            steps,
            enter=True,
            filter=compiled.program if compiled else b"",
            filter_flags=compiled.flags if compiled else 0,
        )
        maker = stack.enter_context(making.Maker())
        talk = stack.enter_context(making.converse(steps))
        assert talk.theirs is not None
        roles = Roles(
            control=talk.theirs.fileno(),
            cgroup=group.into_fd() if group else -1,
            target=target,
            console=channel,
        )
        made: Made = maker.make(program, roles, wanted.descriptors())
        talk.release()
        making.settle(group, made, talk)
        ready = False
        while word := talk.hear():
            ready = ready or word == "r"
        if not ready:
            raise SetupError(f"exec in {entry.record.id}", "its process was killed")
        wanted.write_pid(made.pid)
        return made.pid, made.pidfd


def has_terminal(options: Options) -> bool:
    """Whether the process is to have a terminal."""
    name = options.get("process")
    if not name:
        return options.has("tty")
    return bool(decode(bundles.read_text(Path(name))).get("terminal"))


def _group(entry: Entry, below: str | None) -> Group | None:
    """The container's group, or one below it that is made where it is missing.

    Raises:
        SetupError: the host refuses, or the name leads elsewhere.
    """
    group = entry.group()
    if not below or group is None:
        return group
    parts = [part for part in below.split("/") if part not in ("", ".")]
    if ".." in parts or not parts:
        raise UsageError(f"--cgroup {below!r} names no group below the container's")
    paths = {name: "/".join((path, *parts)) for name, path in group.paths.items()}
    try:
        for path in paths.values():
            Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"make the control group {below}", error.strerror or "") from error
    return cgroups.open_at(paths)


def _process(entry: Entry, spec: Spec, options: Options, command: list[str]) -> Process:
    """What is to run: as a file has it, or as the container's own with other arguments."""
    root = Path(f"/proc/{entry.record.pid}/root")
    name = options.get("process")
    if name:
        aside = Aside()
        found = processes.read(Node("process", decode(bundles.read_text(Path(name))), aside))
        return replace(found, env=with_home(found, root), init=False)
    if not command:
        raise UsageError("exec needs a program, or --process with a file that names one")
    own = spec.process
    env = dict(own.env)
    for entry_text in options.all("env"):
        key, equals, value = entry_text.partition("=")
        if not equals or not key:
            raise UsageError(f"--env {entry_text!r} is not NAME=VALUE")
        env[key] = value
    user = _user(own.user, options)
    if user.uid != own.user.uid and own.env.get("HOME") == env.get("HOME"):
        env.pop("HOME", None)
    process = replace(
        own,
        args=tuple(command),
        env=env,
        cwd=options.get("cwd") or own.cwd,
        user=user,
        terminal=options.has("tty"),
        console_size=None,
        init=False,
        no_new_privileges=own.no_new_privileges or options.has("no-new-privs"),
    )
    process = _with_capabilities(process, options.all("cap"))
    return replace(process, env=with_home(process, root))


def _user(own: User, options: Options) -> User:
    uid, gid, groups = own.uid, own.gid, own.additional_gids
    given = options.get("user")
    try:
        if given:
            first, colon, second = given.partition(":")
            uid = int(first)
            gid = int(second) if colon else gid
        groups += tuple(int(value) for value in options.all("additional-gids"))
    except ValueError:
        raise UsageError("--user and --additional-gids take numbers: UID[:GID]") from None
    return User(uid=uid, gid=gid, additional_gids=groups)


def _with_capabilities(process: Process, names: list[str]) -> Process:
    if not names:
        return process
    for name in names:
        if name not in capabilities.NUMBERS:
            raise UsageError(f"--cap {name!r} is no capability of Linux")
    sets = process.capability_sets
    if sets is None:
        own = process.capabilities or ()
        sets = CapabilitySets(bounding=own, effective=own, permitted=own)
    added = tuple(names)
    sets = replace(
        sets,
        bounding=_union(sets.bounding, added),
        effective=_union(sets.effective, added),
        permitted=_union(sets.permitted, added),
        ambient=_union(sets.ambient, tuple(n for n in added if n in sets.inheritable)),
    )
    return replace(process, capabilities=(), capability_sets=sets)


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
