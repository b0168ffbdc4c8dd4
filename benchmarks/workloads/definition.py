"""Content of a workload's TOML file: the command, and the place of the result in its output."""

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

from benchmarks.results.records import Direction, Resources, Unit

ROLES = frozenset({"rate", "events", "seconds", "word"})
"""Names with a meaning of their own in ``pattern`` and ``paths``."""

SPEEDS = ({"rate", "events"}, {"events", "seconds"})
"""The values from which a throughput can be computed."""


def filled(command: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    """Return a command with its placeholders filled in; what else stands in braces is its own."""
    parts = list(command)
    for name, value in values.items():
        parts = [part.replace(f"{{{name}}}", str(value)) for part in parts]
    return parts


class Reading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One more number of the tool's output, such as a percentile of its latency.

    Attributes:
        name: Name of the metric, its unit as suffix, for example ``latency_p99_s``.
        title: Its name for people.
        unit: Unit of the value after ``scale``.
        direction: Which way it is better.
        at: The named group of ``pattern``, or the JSON Pointer, that holds it.
        scale: What the tool's figure is multiplied with, for example 1e-9 for nanoseconds.
    """

    name: str
    title: str
    unit: Unit
    direction: Direction
    at: str
    scale: float = 1.0


class Neighbour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Work of a second instance of the same sandbox, while the workload runs once more.

    Attributes:
        command: Arguments; ``{cpus}`` and ``{seconds}`` are filled in, ``seconds`` by its own.
        seconds: How long it may go on; longer than the workload takes in the slowest sandbox, whose
            end is followed by that of the other instance.
        lead_s: How long it has been at it when the workload begins.
    """

    command: tuple[str, ...]
    seconds: int
    lead_s: float = 0.5

    def args(self, resources: Resources) -> list[str]:
        """Return the command for these resources."""
        return filled(self.command, {"cpus": resources.cpus, "seconds": self.seconds})


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The other end of a network workload, which is not in the sandbox that is measured.

    Attributes:
        where: ``host``, the sandbox's host as far as its network goes; ``peer``, a second instance
            of the same sandbox.
        command: Arguments; ``{server}`` is its address, ``{port}`` its port, ``{cpus}`` and
            ``{seconds}`` are filled in, too. It stays in the foreground and is killed in the end.
        port: Port it listens on.
        transport: Protocol of that port.
    """

    where: Literal["host", "peer"]
    command: tuple[str, ...]
    port: int
    transport: Literal["tcp", "udp"] = "tcp"


class Definition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    r"""What a workload's file says.

    The result is read by ``pattern`` out of text or by ``paths`` out of JSON; both give values to
    the same names: ``rate`` and ``events``, or ``events`` and ``seconds``, for a speed; ``word``
    for a word; none of them where ``readings`` alone are wanted.

    Attributes:
        name: Its name in campaigns and samples.
        title: Its name for people.
        command: Arguments; ``{cpus}`` and ``{seconds}`` are filled in, and where there is a server
            its address and port as ``{server}`` and ``{port}``.
        seconds: How long it should take, where the tool can be told.
        timeout_s: When it counts as hanging.
        pattern: Regular expression with named groups, searched in the output.
        paths: Name to JSON Pointer (RFC 6901), for a tool that writes JSON.
        event: What one event is.
        events: Number of events of a run, where it is fixed and the tool does not write it.
        stream: Where the tool writes its result.
        metric: Name of the metric of a ``word``.
        needs: Programs of the image it calls beside the first of ``command``.
        readings: What else to read.
        neighbour: What another instance does meanwhile: then the speed is taken twice, alone and
            beside it, and what is kept of it is the result.
        server: What answers the command in another place; None where the command needs nobody, or
            starts the server itself.
    """

    name: str
    title: str
    command: tuple[str, ...]
    seconds: int
    timeout_s: float
    pattern: str = ""
    paths: dict[str, str] = {}
    event: str = ""
    events: int | None = None
    stream: Literal["stdout", "stderr"] = "stdout"
    metric: str = "word"
    needs: tuple[str, ...] = ()
    readings: tuple[Reading, ...] = ()
    neighbour: Neighbour | None = None
    server: Server | None = None

    def is_word(self) -> bool:
        """Tell whether the result is a word and not a number."""
        return "word" in self.named()

    def is_speed(self) -> bool:
        """Tell whether the result has events per second."""
        return self.roles() in SPEEDS

    def named(self) -> set[str]:
        """Return the names that ``pattern`` or ``paths`` give values to."""
        return set(re.compile(self.pattern).groupindex) if self.pattern else set(self.paths)

    def roles(self) -> set[str]:
        """Return which parts of a speed or word are known."""
        return (self.named() & ROLES) | ({"events"} if self.events else set())
