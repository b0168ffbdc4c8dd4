"""The verbs, each in few words; the rest is imported by the one that runs."""

from __future__ import annotations

import os

from runtime.cli.options import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime.cli.entry import Entry
    from runtime.cli.options import Command, Options
    from runtime.cli.report import Report


class Call:
    """One command.

    Attributes:
        command: as it was given.
        report: where to tell things.
    """

    def __init__(self, command: Command, report: Report) -> None:
        self.command = command
        self.report = report

    @property
    def options(self) -> Options:
        """Those of the verb."""
        return self.command.options

    @property
    def name(self) -> str:
        """The container that it is about."""
        return self.command.operands[0]

    @property
    def root(self) -> str:
        """Directory of all containers.

        Raises:
            UsageError: nobody says where.
        """
        given = self.command.common.get("root")
        if given:
            return os.path.abspath(given)
        # root's is one place, whatever environment a manager calls us with
        base = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", "")
        if not base:
            raise UsageError(
                "XDG_RUNTIME_DIR is not set; name a directory for containers by --root"
            )
        return f"{base}/tare-oci"

    def entry(self) -> Entry:
        """The container's directory.

        Raises:
            StateError: it does not exist.
        """
        from runtime.cli.entry import Entry

        return Entry.open(self.root, self.name)


def create(call: Call) -> int:
    """A container whose workload waits for `start`."""
    from runtime.cli import create as creation

    creation.create(call.root, call.name, _with_manager(call), call.report.warning)
    return 0


def run(call: Call) -> int:
    """`create`, `start`, and unless detached the wait for its end and `delete`."""
    from runtime.cli import run as running

    return running.run(call.root, call.name, _with_manager(call), call.report.warning)


def _with_manager(call: Call) -> Options:
    """The verb's options with the one global that concerns them."""
    manager = call.command.common.get("cgroup-manager")
    if manager:
        call.options.single["cgroup-manager"] = manager
    return call.options


def start(call: Call) -> int:
    """The workload of a created container runs."""
    from runtime.cli import notify
    from runtime.cli import start as starting

    entry = call.entry()
    with notify.Readiness(entry) as ready:
        starting.start(entry, call.report.warning)
        ready.wait()
    return 0


def state(call: Call) -> int:
    """OCI's state object."""
    from runtime.cli import show

    show.print_object(show.state(call.entry()))
    return 0


def kill(call: Call) -> int:
    """A signal to the first process, or to all."""
    from runtime.cli import lifecycle, signals

    rest = call.command.operands[1:]
    number = signals.number_of(rest[0] if rest else "TERM")
    for entry in lifecycle.chosen(call.root, call.name, regex=call.options.has("regex")):
        lifecycle.kill(entry, number, everything=call.options.has("all"))
    return 0


def delete(call: Call) -> int:
    """What is left of a container goes."""
    from runtime.cli import lifecycle

    force = call.options.has("force")
    regex = call.options.has("regex")
    for entry in lifecycle.chosen(call.root, call.name, regex=regex, force=force):
        lifecycle.delete(entry, force=force, warn=call.report.warning)
    return 0


def execute(call: Call) -> int:
    """A further process in a container."""
    from runtime.cli import run as running

    return running.execute(call.entry(), call.options, call.command.operands[1:])


def list_all(call: Call) -> int:
    """Every container."""
    from runtime.cli import show

    show.print_list(call.root, call.options)
    return 0


def ps(call: Call) -> int:
    """The processes of a container."""
    from runtime.cli import show

    show.print_processes(call.entry(), call.options, call.command.operands[1:])
    return 0


def freeze(call: Call) -> int:
    """Everything in a container stands still, or goes on."""
    from runtime.cli import lifecycle

    lifecycle.freeze(call.entry(), frozen=call.command.verb == "pause")
    return 0


def update(call: Call) -> int:
    """Other limits."""
    from runtime.cli import update as updating

    updating.update(call.entry(), call.options, call.report.warning)
    return 0


def events(call: Call) -> int:
    """Statistics, and kills for want of memory."""
    from runtime.cli import events as watching

    watching.print_events(call.entry(), call.options)
    return 0


def features(call: Call) -> int:
    """What this runtime can do."""
    from runtime.cli import show
    from runtime.oci import features as known

    del call
    show.print_object(known.build())
    return 0


def spec(call: Call) -> int:
    """A config.json to begin with."""
    from runtime.cli import template

    template.write(call.options)
    return 0


def checkpoint(call: Call) -> int:
    """Refused.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        f"{call.command.verb}: checkpoints are not supported: this runtime does not drive CRIU"
    )


ACTIONS: dict[str, Callable[[Call], int]] = {
    "create": create,
    "run": run,
    "start": start,
    "state": state,
    "kill": kill,
    "delete": delete,
    "exec": execute,
    "list": list_all,
    "ps": ps,
    "pause": freeze,
    "resume": freeze,
    "update": update,
    "events": events,
    "features": features,
    "spec": spec,
    "checkpoint": checkpoint,
    "restore": checkpoint,
}
