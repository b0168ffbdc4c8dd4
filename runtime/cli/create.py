"""create: a bundle becomes a container whose workload waits for its start."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from runtime.cli import launch, notify, specification
from runtime.cli.deletion import delete_unfinished, run_poststop
from runtime.cli.entry import Entry, check_id
from runtime.cli.record import Record, hook_outputs
from runtime.cli.report import timestamp
from runtime.errors import HookError, SetupError
from runtime.plan import builder
from runtime.recovery import processes
from runtime.spawner.executor import Roles
from runtime.spec.devices import with_default_devices

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from runtime.cgroups import Group
    from runtime.cli.conversation import Conversation
    from runtime.cli.options import Options
    from runtime.plan.steps.encoding import Program
    from runtime.spawner.executor import Made
    from runtime.spec import Spec

PID = "@PID@"
_LATER = ("poststart", "poststop")


def create(
    root: str,
    name: str,
    options: Options,
    warn: Callable[[str], None],
    *,
    console: socket | None = None,
) -> Entry:
    """Make a container whose workload waits for `start`.

    Args:
        root: directory of all containers.
        name: its id.
        options: of the command line.
        warn: is told what of the bundle has no effect.
        console: takes its terminal, in place of a socket that the options name.

    Raises:
        ContainerError: it cannot be made; nothing is left.
    """
    check_id(name)
    folder = os.path.realpath(options.get("bundle") or ".")
    text, spec = specification.load(folder, options.get("config") or "config.json")
    process, lost = specification.grantable(
        spec.process, mapped=spec.linux.namespace("user") is not None
    )
    count = specification.handed_over()
    spec = replace(
        spec, process=replace(process, env=specification.with_handed_over(process.env, count))
    )
    wanted = launch.ProcessOptions(
        console=options.get("console-socket"),
        console_channel=console,
        keep=count + options.count("preserve-fds", launch.MOST_KEPT),
        pid_file=options.get("pid-file"),
        pidfd_socket=options.get("pidfd-socket"),
        terminal=spec.process.terminal,
    )
    wanted.check()
    entry = Entry.make(root, _record(name, folder, spec))
    try:
        launch.write_file(entry.config, text)
        _Creation(entry, spec, wanted, options).run()
    except HookError:
        delete_unfinished(entry, warn)
        run_poststop(spec.hooks.poststop, entry.record, warn)
        raise
    except BaseException:
        delete_unfinished(entry, warn)
        raise
    for note in (*spec.notes, *lost):
        warn(note)
    return entry


def has_terminal(options: Options) -> bool:
    """Whether the bundle asks for a terminal.

    Raises:
        SpecError: its config.json cannot be read.
    """
    folder = os.path.realpath(options.get("bundle") or ".")
    return specification.load(folder, options.get("config") or "config.json")[1].process.terminal


def _record(name: str, folder: str, spec: Spec) -> Record:
    rules = spec.linux.seccomp_object or {}
    return Record(
        id=name,
        bundle=folder,
        rootfs=str(spec.root.path),
        created=timestamp(),
        owner=_owner(),
        oci_version=spec.oci_version,
        annotations=dict(spec.annotations),
        descriptors=launch.named_descriptors(),
        boot_id=processes.boot_id(),
        hooks=[name for name in _LATER if getattr(spec.hooks, name)],
        shares_pids=_shares_pids(spec),
        listener=rules.get("listenerPath") or "",
        listener_metadata=rules.get("listenerMetadata") or "",
    )


class _Creation:
    """The making of one container, whose entry is there."""

    def __init__(
        self, entry: Entry, spec: Spec, wanted: launch.ProcessOptions, options: Options
    ) -> None:
        self._entry = entry
        self._spec = spec
        self._wanted = wanted
        self._keyring = not options.has("no-new-keyring")
        self._manager = options.get("cgroup-manager") or "cgroupfs"

    def run(self) -> None:
        """Carry it out.

        Raises:
            ContainerError: something refused; what was made is in the entry.
        """
        entry, wanted = self._entry, self._wanted
        compiled = specification.filter_of(self._spec)
        with ExitStack() as stack:
            console = wanted.connect(stack)
            waiting = stack.enter_context(launch.listen_for_start(entry.socket))
            group = self._group(stack) if self._manager != "disabled" else None
            spec = notify.show(self._spec, entry)
            steps = builder.create(spec, detached=self._states())
            entry.record.steps = len(steps)
            program = builder.program(
                spec,
                spec.process,
                steps,
                filter=compiled.program if compiled else b"",
                filter_flags=compiled.flags if compiled else 0,
            )
            launcher = stack.enter_context(launch.Launcher())
            talk = stack.enter_context(launch.converse(steps))
            roles = Roles(
                control=talk.theirs(),
                cgroup=group.into_fd() if group else -1,
                console=console,
                start=waiting.fileno(),
            )
            self._make(launcher, program, roles, talk, group)

    def _make(
        self,
        launcher: launch.Launcher,
        program: Program,
        roles: Roles,
        talk: Conversation,
        group: Group | None,
    ) -> None:
        made = launcher.make(program, roles, self._wanted.descriptors())
        try:
            talk.release()
            self._note(made)
            launch.enter_group(group, made, talk)
            self._await_ready(talk)
            self._wanted.send_pidfd(made.pidfd)
            self._wanted.write_pid(made.pid)
        finally:
            os.close(made.pidfd)

    def _await_ready(self, talk: Conversation) -> None:
        while (word := talk.hear()) != "r":
            if not word:
                raise SetupError("create the container", "its process was killed")
            if word == "h":
                from runtime.cli import hooks

                early, found = self._spec.hooks, self._entry.record
                # once part of the start, and told so still
                hooks.run(early.prestart, found, "created")
                hooks.run(early.create_runtime, found, "creating")
                talk.tell("h")

    def _note(self, made: Made) -> None:
        found = self._entry.record
        found.pid = made.pid
        found.start_time = processes.start_time(made.pid) or 0
        self._entry.write()

    def _group(self, stack: ExitStack) -> Group:
        """The container's control group, with its limits.

        Raises:
            SetupError: the host refuses.
        """
        from runtime import cgroups
        from runtime.cgroups import places

        path = self._spec.linux.cgroups_path or self._entry.record.id
        limits = self._spec.linux.resources
        wanted = asdict(replace(limits, devices=with_default_devices(limits.devices)))
        group: Group
        try:
            if self._manager == "systemd" or (
                not self._spec.linux.cgroups_path and places.asks_systemd()
            ):
                group = self._scope(stack, wanted)
            else:
                # first on paper: who is killed now leaves behind what can be found
                self._entry.record.made = cgroups.missing(path)
                self._entry.write()
                # in every hierarchy: the container sees them all, and later limits need none
                group = cgroups.at(path, cgroups.layout.current().v1)
            self._entry.record.cgroup_path = _below_mount(next(iter(group.paths.values())))
            self._entry.remember(group)
            group.limit(wanted)
            self._entry.remember(group)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SetupError(f"make the control group {path}", reason, error.errno or 0) from error
        return group

    def _scope(self, stack: ExitStack, limits: dict[str, Any]) -> Group:
        from runtime.cgroups import units

        found = self._entry.record
        made = units.make(self._spec.linux.cgroups_path or "", found.id, limits)
        stack.callback(made.close)  # the container holds it from then on
        found.scope = made.unit
        return made.group

    def _states(self) -> builder.Detached:
        texts: list[str] = []
        for status in ("creating", "created"):
            state = {**self._entry.record.state(status), "pid": PID}
            texts.append(json.dumps(state).replace(f'"{PID}"', PID))
        creating, starting = texts
        found = self._entry.record
        return builder.Detached(
            creating,
            starting,
            found.cgroups,
            env=tuple(f"{name}={value}" for name, value in os.environ.items()),
            bundle=found.bundle,
            outputs=hook_outputs(found),
            keyring=self._keyring,
        )


def _shares_pids(spec: Spec) -> bool:
    namespace = spec.linux.namespace("pid")
    return namespace is None or namespace.path is not None


def _below_mount(path: str) -> str:
    """The end of a path that lies below the mount point of its file system."""
    device, above = os.stat(path).st_dev, path
    while above != "/" and os.stat(os.path.dirname(above)).st_dev == device:
        above = os.path.dirname(above)
    return path.removeprefix(above) or "/"


def _owner() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
