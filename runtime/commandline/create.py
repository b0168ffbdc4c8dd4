"""create, run and start: a bundle becomes a container."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import cgroups, plan, record
from runtime.commandline import hooks, making
from runtime.commandline.conversation import Conversation
from runtime.commandline.entry import Entry, Record
from runtime.commandline.home import with_home
from runtime.errors import SetupError, StateError
from runtime.oci import bundle as bundles
from runtime.oci.state import State
from runtime.spawner.executor import Roles

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cgroups import Group
    from runtime.commandline.options import Options
    from runtime.seccomp import Filter
    from runtime.spawner.executor import Made
    from runtime.spec import Spec

PID = "@PID@"


def create(root: Path, name: str, options: Options, *, warn: Callable[[str], None]) -> Entry:
    """Make a container whose workload waits for `start`.

    Args:
        root: directory of all containers.
        name: its id.
        options: of the command line.
        warn: is told what of the bundle has no effect.

    Raises:
        ContainerError: it cannot be made; nothing is left.
    """
    folder = Path(options.get("bundle") or ".").resolve()
    spec = load(folder, options)
    entry = Entry.make(
        root,
        Record(
            id=name,
            bundle=str(folder),
            rootfs=str(spec.root.path),
            created=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            owner=_owner(),
            oci_version=spec.oci_version,
            annotations=dict(spec.annotations),
            descriptors=making.named_descriptors(),
            boot_id=record.boot_id(),
        ),
    )
    wanted = making.Wanted(
        console=options.get("console-socket"),
        keep=(options.number("preserve-fds", 0) or 0) + _handed_over(),
        pid_file=options.get("pid-file"),
        terminal=spec.process.terminal,
    )
    try:
        _make(entry, spec, wanted, options)
    except BaseException:
        undo(entry)
        raise
    for note in spec.notes:
        warn(note)
    return entry


def load(folder: Path, options: Options) -> Spec:
    """The bundle's specification, with what only this host can add.

    Raises:
        SpecError: naming the field of its config.json.
    """
    name = options.get("config") or "config.json"
    text = bundles.read_text(folder / name)
    spec = bundles.parse(text, folder)
    spec.validate()
    process = replace(spec.process, env=with_home(spec.process, spec.root.path), init=False)
    return replace(spec, process=process)


def load_copy(entry: Entry) -> Spec:
    """The specification that a container was made from.

    Raises:
        SpecError: its copy cannot be read.
    """
    return bundles.parse(bundles.read_text(entry.config), Path(entry.record.bundle))


def has_terminal(options: Options) -> bool:
    """Whether the bundle asks for a terminal.

    Raises:
        SpecError: its config.json cannot be read.
    """
    return load(Path(options.get("bundle") or ".").resolve(), options).process.terminal


def filter_of(spec: Spec) -> Filter | None:
    """The compiled filter of a bundle, None where it has none.

    Raises:
        SpecError: naming the field. UnsupportedError: libseccomp is missing or refuses.
    """
    if not spec.linux.seccomp_object:
        return None
    from runtime.seccomp import compile_object  # only where wanted

    return compile_object(spec.linux.seccomp_object)


def start(entry: Entry) -> None:
    """Let the workload of a created container run.

    Raises:
        StateError: it is not in that state.
        SetupError: a hook or the filter failed; ExecError: the program cannot be executed.
    """
    spec = load_copy(entry)
    steps = plan.create(spec, detached=_states(entry))
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        making.connect(channel, str(entry.socket))
    except OSError as error:
        channel.close()
        raise StateError(
            f"cannot start {entry.record.id}: it is {entry.status()}, not created"
        ) from error
    with Conversation(steps, channel) as talk:
        # gone before the workload runs: whoever looks meanwhile sees it running, not created
        entry.socket.unlink(missing_ok=True)
        while talk.hear():
            pass
    hooks.run(spec.hooks.poststart, _state(entry, "running", entry.record.pid))


def undo(entry: Entry) -> None:
    """Remove a half-made container: its processes, its group, its directory."""
    group = entry.group()
    with contextlib.suppress(OSError):
        if group:
            group.kill()
    if entry.alive:
        with contextlib.suppress(ProcessLookupError):
            os.kill(entry.record.pid, signal.SIGKILL)
    if entry.record.pid:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(entry.record.pid, 0)
    with contextlib.suppress(OSError):
        if group:
            group.remove()
    entry.remove()


def _make(entry: Entry, spec: Spec, wanted: making.Wanted, options: Options) -> None:
    with ExitStack() as stack:
        name = options.get("config") or "config.json"
        entry.config.write_bytes(bundles.read_text(Path(entry.record.bundle) / name))
        console = wanted.connect(stack)
        waiting = stack.enter_context(making.listen(entry.socket))
        group = _group(entry, spec, options)
        keyring = not options.has("no-new-keyring")
        steps = plan.create(spec, detached=_states(entry, keyring=keyring))
        compiled = filter_of(spec)
        program = plan.program(
            spec,
            spec.process,
            steps,
            filter=compiled.program if compiled else b"",
            filter_flags=compiled.flags if compiled else 0,
        )
        maker = stack.enter_context(making.Maker())
        talk = stack.enter_context(making.converse(steps))
        assert talk.theirs is not None
        roles = Roles(
            control=talk.theirs.fileno(),
            cgroup=group.into_fd() if group else -1,
            console=console,
            start=waiting.fileno(),
        )
        made = maker.make(program, roles, wanted.descriptors())
        talk.release()
        _note(entry, made)
        making.settle(group, made, talk)
        while (word := talk.hear()) != "r":
            if not word:
                raise SetupError("create the container", "its process was killed")
            if word == "h":
                state = _state(entry, "creating", made.pid)
                hooks.run((*spec.hooks.prestart, *spec.hooks.create_runtime), state)
                talk.tell("h")
        pidfd_socket = options.get("pidfd-socket")
        if pidfd_socket:
            making.send_descriptor(pidfd_socket, made.pidfd)
        os.close(made.pidfd)
        wanted.write_pid(made.pid)


def _note(entry: Entry, made: Made) -> None:
    entry.record.pid = made.pid
    entry.record.start_time = record.start_time(made.pid)
    entry.write()


def _group(entry: Entry, spec: Spec, options: Options) -> Group | None:
    """The container's control group, with its limits.

    Raises:
        SetupError: the host refuses.
    """
    if options.get("cgroup-manager") == "disabled":
        return None
    path = spec.linux.cgroups_path or entry.record.id
    try:
        group = cgroups.at(path)
        entry.remember(group)
        entry.write()
        group.limit(asdict(spec.linux.resources))
        entry.remember(group)
        entry.write()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SetupError(f"make the control group {path}", reason, error.errno or 0) from error
    return group


def _states(entry: Entry, *, keyring: bool = True) -> plan.Detached:
    texts = []
    for status in ("creating", "created"):
        state = _state(entry, status, 0)
        state["pid"] = PID
        texts.append(json.dumps(state).replace(f'"{PID}"', PID))
    creating, starting = texts
    return plan.Detached(creating, starting, entry.record.cgroups, keyring=keyring)


def _state(entry: Entry, status: str, pid: int) -> dict[str, object]:
    found = entry.record
    return State(
        id=found.id,
        status=status,
        bundle=Path(found.bundle),
        pid=pid or None,
        annotations=found.annotations,
        oci_version=found.oci_version,
    ).to_object()


def _owner() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _handed_over() -> int:
    """Descriptors that come by systemd's protocol (sd_listen_fds(3))."""
    count = os.environ.get("LISTEN_FDS", "")
    return int(count) if count.isdigit() else 0
