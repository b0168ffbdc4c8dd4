"""tare-oci: the runtime on an OCI command line, so that podman, containerd and others can drive it.

The verbs are those of the OCI runtime-spec (runtime.md, "Operations") and of runc's command line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.commandline.options import GLOBAL, VERBS, Command, Options, UsageError, parse
from runtime.commandline.report import Report
from runtime.errors import ContainerError, ExecError

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = "0.1.0"
_FAILED, _EXEC_FAILED = 1, 255


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command; its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        command = parse(arguments)
        report = Report(command.common)
    except UsageError as error:
        Report(Options()).error(str(error))
        return _FAILED
    try:
        return _carry_out(command, report)
    except ExecError as error:
        report.error(f"{command.verb}: {error}")
        return _EXEC_FAILED if command.verb == "exec" else _FAILED
    except ContainerError as error:
        report.error(f"{command.verb}: {error}" if command.verb else str(error))
        return _EXEC_FAILED if command.verb == "exec" else _FAILED
    except BrokenPipeError:
        return _FAILED


def _carry_out(command: Command, report: Report) -> int:
    common = command.common
    if common.has("version"):
        return _print_version()
    if not command.verb or common.has("help") or command.options.has("help"):
        return _help(command)
    _check_common(common)
    action = _ACTIONS[command.verb]
    return action(_root(common), command, report)


def _print_version() -> int:
    from runtime.spec import OCI_VERSION

    print(f"tare-oci version {VERSION}\ncommit: {VERSION}\nspec: {OCI_VERSION}")
    return 0


def _help(command: Command) -> int:
    """What can be given; what a runtime cannot do it says by its exit status."""
    if command.verb in ("checkpoint", "restore"):
        print(f"tare-oci: {_NO_CHECKPOINTS}", file=sys.stderr)
        return _FAILED
    if not command.verb:
        print("usage: tare-oci [OPTION...] VERB [OPTION...] CONTAINER [ARG...]\n")
        print("verbs: " + " ".join(VERBS))
        if not command.common.has("help"):
            return _FAILED
        known = GLOBAL
    else:
        print(f"usage: tare-oci {command.verb} [OPTION...] CONTAINER [ARG...]")
        known = VERBS[command.verb]
    for name, short in known.items():
        value = " VALUE" if name.endswith("=") else ""
        letter = f"-{short}, " if short else "    "
        print(f"  {letter}--{name.rstrip('=')}{value}")
    return 0


def _check_common(common: Options) -> None:
    if common.has("systemd-cgroup") or common.get("cgroup-manager") == "systemd":
        raise UsageError(
            "systemd does not run this host's control groups; leave --systemd-cgroup out"
            if not Path("/run/systemd/system").is_dir()
            else "control groups are made directly, not by systemd; leave --systemd-cgroup out"
        )
    manager = common.get("cgroup-manager")
    if manager not in (None, "cgroupfs", "disabled"):
        raise UsageError(f"--cgroup-manager {manager!r} is neither cgroupfs nor disabled")


def _root(common: Options) -> Path:
    given = common.get("root")
    if given:
        return Path(given).absolute()
    # root's is one place, whatever environment a manager calls us with
    base = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "")
    if not base:
        raise UsageError("XDG_RUNTIME_DIR is not set; name a directory for containers with --root")
    return Path(base) / "tare-oci"


def _create(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import create

    create.create(root, command.operands[0], _manager(command), warn=report.warning)
    return 0


def _manager(command: Command) -> Options:
    """The verb's options with the one global that concerns them."""
    manager = command.common.get("cgroup-manager")
    if manager:
        command.options.single["cgroup-manager"] = manager
    return command.options


def _run(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import run

    return run.run(root, command.operands[0], _manager(command), warn=report.warning)


def _start(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import create
    from runtime.commandline.entry import Entry

    del report
    entry = Entry.open(root, command.operands[0])
    create.start(entry)
    return 0


def _state(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import show
    from runtime.commandline.entry import Entry

    del report
    show.print_object(show.state(Entry.open(root, command.operands[0])))
    return 0


def _kill(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import lifecycle

    del report
    name, *rest = command.operands
    number = lifecycle.number_of(rest[0] if rest else "TERM")
    for entry in lifecycle.chosen(root, name, regex=command.options.has("regex")):
        lifecycle.kill(entry, number, everything=command.options.has("all"))
    return 0


def _delete(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import lifecycle
    from runtime.errors import StateError

    force = command.options.has("force")
    try:
        entries = lifecycle.chosen(root, command.operands[0], regex=command.options.has("regex"))
    except StateError:
        if force:
            return 0
        raise
    for entry in entries:
        lifecycle.delete(entry, force=force, warn=report.warning)
    return 0


def _exec(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import run
    from runtime.commandline.entry import Entry

    del report
    name, *program = command.operands
    return run.execute(Entry.open(root, name), command.options, program)


def _list(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import show

    del report
    show.print_list(root, command.options)
    return 0


def _ps(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import show
    from runtime.commandline.entry import Entry

    del report
    name, *more = command.operands
    show.print_processes(Entry.open(root, name), command.options, more)
    return 0


def _freeze(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import lifecycle
    from runtime.commandline.entry import Entry

    del report
    entry = Entry.open(root, command.operands[0])
    lifecycle.freeze(entry, frozen=command.verb == "pause")
    return 0


def _update(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import update
    from runtime.commandline.entry import Entry

    del report
    update.update(Entry.open(root, command.operands[0]), command.options)
    return 0


def _events(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import show
    from runtime.commandline.entry import Entry

    del report
    show.print_events(Entry.open(root, command.operands[0]), command.options)
    return 0


def _features(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import show
    from runtime.oci import features

    del root, command, report
    show.print_object(features.build())
    return 0


def _spec(root: Path, command: Command, report: Report) -> int:
    from runtime.commandline import template

    del root, report
    template.write(command.options)
    return 0


_NO_CHECKPOINTS = "checkpoints are not supported: this runtime does not drive CRIU"


def _checkpoint(root: Path, command: Command, report: Report) -> int:
    del root, command, report
    raise UsageError(_NO_CHECKPOINTS)


_ACTIONS: dict[str, Callable[[Path, Command, Report], int]] = {
    "create": _create,
    "run": _run,
    "start": _start,
    "state": _state,
    "kill": _kill,
    "delete": _delete,
    "exec": _exec,
    "list": _list,
    "ps": _ps,
    "pause": _freeze,
    "resume": _freeze,
    "update": _update,
    "events": _events,
    "features": _features,
    "spec": _spec,
    "checkpoint": _checkpoint,
    "restore": _checkpoint,
}
