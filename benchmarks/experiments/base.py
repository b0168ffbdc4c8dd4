"""What an experiment is, and which there are.

An experiment is one class in one module of this package: it says what it is called, what it
measures, how often (its cadence), which keys of a campaign are its own and how long it takes, and
does it. Defining the class registers it; nothing else names it. A folder that is appended to
``benchmarks.experiments.__path__`` adds those of its modules.
"""

from __future__ import annotations

import functools
import importlib
import math
import pkgutil
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import msgspec

from benchmarks import experiments, workloads
from benchmarks.results.metrics import infos
from benchmarks.sandboxes import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from benchmarks.results.evidence import Evidence
    from benchmarks.results.metrics import Row
    from benchmarks.results.recorder import Recorder
    from benchmarks.results.records import MetricInfo, Resources, SandboxInfo
    from benchmarks.sandboxes.base import Instance, Sandbox, Setting
    from benchmarks.workloads import Workload


type Rule = tuple[Callable[[Any], bool], str]
type Rules = tuple[tuple[str, Rule], ...]

FRACTION: Rule = (lambda value: 0 < value < 1, "a fraction between 0 and 1")
PAUSE: Rule = (lambda value: 0 <= value < math.inf, "a number of seconds, 0 or more")
SECONDS: Rule = (lambda value: 0 < value < math.inf, "a number of seconds above 0")


def at_least(least: int) -> Rule:
    """Return the rule of a number with a lower end."""
    return (lambda value: value >= least, f"{least} or more")


class Cadence(Enum):
    """How often an experiment is done, and on which instance."""

    VISIT = "in every visit, on the instance that was started for it"
    BLOCK = "once in a block for each sandbox, with instances of its own"
    ONCE = "once in a run, last in a visit of each sandbox; judged when all were looked at"
    TOGETHER = "once in a run, with instances of its own of one or several sandboxes"


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where an experiment is done.

    Attributes:
        record: Takes the samples.
        group: The sandboxes that take part, those of one group where the cadence is ``TOGETHER``;
            else one.
        sandboxes: All sandboxes of the run by name, for what is judged by comparing.
        resources: What every sandbox was given.
        seed: Seed of the campaign.
        block: Number of the block.
        logs: Folder of the run for what was read.
        started: The visit's instance; None where there is none.
    """

    record: Recorder
    group: tuple[Sandbox, ...]
    sandboxes: Mapping[str, Sandbox]
    resources: Resources
    seed: int
    block: int
    logs: Path
    started: Instance | None = None

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that the samples belong to."""
        return self.group[0]

    @property
    def name(self) -> str:
        """Its name."""
        return self.group[0].info.name

    @property
    def instance(self) -> Instance:
        """The visit's instance, where the cadence has one."""
        assert self.started is not None
        return self.started


class Need(NamedTuple):
    """Programs of the image that something of a campaign calls.

    Attributes:
        asked: Its name in the campaign's ``workloads``.
        workload: Its name in samples.
        programs: Their paths.
    """

    asked: str
    workload: str
    programs: tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """What a campaign asks of experiments.

    Attributes:
        names: What its ``workloads`` name.
        loaded: Those of them that TOML files define.
        options: Every experiment's keys in the campaign.
    """

    names: tuple[str, ...]
    loaded: Mapping[str, Workload]
    options: Mapping[str, Any]


class Experiment:
    """One experiment, as a campaign asks for it.

    Attributes:
        name: Its name; what starts instances of its own, or is judged later, closes in the journal
            under it.
        title: What it is, for people.
        cadence: How often it is done.
        workloads: What in a campaign's ``workloads`` asks for it; by default its name.
        place: Where it stands among others, in a visit, in a block and in reports; those at the
            same place stand in the campaign's order.
        asked: What in this campaign's ``workloads`` asks for it.
        options: Its own keys of this campaign.
        programs: Paths of what it calls inside an instance.
        leaves_cold: Whether it empties the host's caches: then it comes last in a block, and every
            sandbox is started once more, unmeasured, before anything else is measured.
        partial: Whether it can be done on an instance that is only ready to boot.
        emulated: Whether it counts in a guest whose CPU is emulated; where it does not it is done
            in the first visit alone.
        drawn: Whether its place in a visit is drawn anew each time, behind those that have one.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    cadence: ClassVar[Cadence]
    workloads: ClassVar[tuple[str, ...]]
    place: ClassVar[int] = 100
    programs: ClassVar[tuple[str, ...]] = ()
    leaves_cold: ClassVar[bool] = False
    partial: ClassVar[bool] = False
    emulated: bool = True
    drawn: ClassVar[bool] = False

    class Options(msgspec.Struct, frozen=True):
        """Keys of a campaign that are the experiment's own; by default none."""

        rules: ClassVar[Rules] = ()
        """Keys, each with what makes its value right, and that in words behind "must be"."""

        def __post_init__(self) -> None:
            """Check every value.

            Raises:
                ValueError: One makes no sense; the message begins with the key.
            """
            for key, (right, told) in self.rules:
                if not right(getattr(self, key)):
                    raise ValueError(f"{key}: must be {told}")

    asked: tuple[str, ...]
    options: Any

    def __init_subclass__(cls) -> None:
        """Register what has a name of its own."""
        if "name" in cls.__dict__:
            if not hasattr(cls, "workloads"):
                cls.workloads = (cls.name,)
            _registered[cls.__module__, cls.name] = cls

    def __init__(self, request: Request) -> None:
        """Take what the campaign says.

        Raises:
            msgspec.ValidationError: A key has a value that makes no sense.
        """
        self.asked = tuple(name for name in request.names if name in self.workloads)
        self.options = options(type(self), request.options)

    @classmethod
    def chosen(cls, request: Request) -> Iterable[Experiment]:
        """Return what a campaign asks for of this kind."""
        if not set(cls.workloads).isdisjoint(request.names):
            yield cls(request)

    @classmethod
    def rows(cls) -> Iterable[Row]:
        """Return its metrics, where it has one name: metric, unit, direction, title."""
        return ()

    @classmethod
    def catalogue(cls) -> tuple[MetricInfo, ...]:
        """Return all that it can measure whatever a campaign says, its headline first."""
        return infos(cls.name, *cls.rows())

    def metrics(self) -> tuple[MetricInfo, ...]:
        """Return what it measures in this campaign."""
        return tuple(info for info in self.catalogue() if info.workload in self.asked)

    def headlines(self) -> Sequence[MetricInfo]:
        """Return the metrics that stand for all where a visit's instance did not start."""
        return self.metrics()[:1]

    def estimate(self, start_s: float) -> float:
        """Return how long it takes each time for one sandbox, in seconds.

        Args:
            start_s: How long a start and a stop of the sandbox take.
        """
        return 0.0

    def repetitions(self, start_s: float) -> int:
        """Return on how many further starts it is repeated within a block at most (``VISIT``).

        Args:
            start_s: How long a start and a stop of the sandbox take.
        """
        return 0

    def details(self, info: SandboxInfo) -> Mapping[str, Any]:
        """Return what a run says of a sandbox because of this experiment."""
        return {}

    def needs(self) -> Iterable[Need]:
        """Return what it needs of the image; where that is not there it is not done."""
        return [Need(name, name, self.programs) for name in self.asked]

    def commands(self, resources: Resources) -> Iterable[Sequence[str]]:
        """Return what it runs in every visit's instance, for sandboxes that prepare for it."""
        return ()

    def open(self, stack: ExitStack, sandboxes: Mapping[str, Sandbox], setting: Setting) -> None:
        """Make on ``stack`` what it needs as long as the campaign lasts."""

    def prepare(self) -> None:
        """Do what comes right before the visit's start, or before the host has to come to rest."""

    def run(self, context: Context) -> None:
        """Do it, and record what came of it; a failure is a sample's status.

        Raises:
            MeasurementError: The visit's instance cannot be used any more.
        """
        raise NotImplementedError

    def finish(self, context: Context) -> None:
        """Record what shows when the visit's instance has stopped, as it should."""

    def judge(self, context: Context) -> None:
        """Record what was seen in a sandbox, now that all were looked at (``ONCE``)."""

    def groups(self, names: Sequence[str]) -> Iterable[tuple[str, ...]]:
        """Return the names of sandboxes that take part each time (``TOGETHER``): each alone."""
        return ((name,) for name in names)


_registered: dict[tuple[str, str], type[Experiment]] = {}


def known() -> tuple[type[Experiment], ...]:
    """Return every experiment there is, in their order."""
    return _found(tuple(experiments.__path__))


@functools.cache
def _found(folders: tuple[str, ...]) -> tuple[type[Experiment], ...]:
    names = {f"{experiments.__name__}.{one.name}" for one in pkgutil.iter_modules(folders)}
    for name in sorted(names):
        importlib.import_module(name)
    here = [
        kind
        for (module, _), kind in _registered.items()
        if any(f"{module}.".startswith(f"{name}.") for name in names)
    ]
    return tuple(sorted(here, key=lambda kind: (kind.place, kind.name)))


def names() -> tuple[str, ...]:
    """Return what a campaign's ``workloads`` may name beside TOML files."""
    return tuple(name for kind in known() for name in kind.workloads)


def catalogue() -> tuple[MetricInfo, ...]:
    """Return every metric that does not come from a workload's file, in reporting order."""
    return tuple(info for kind in known() for info in kind.catalogue())


def asked(wanted: Sequence[str], given: Mapping[str, Any]) -> tuple[Experiment, ...]:
    """Return the experiments that a campaign asks for, in their order.

    Args:
        wanted: Its ``workloads``.
        given: Its experiments' keys.

    Raises:
        WorkloadError: One names no experiment and no workload, or its file is wrong.
        msgspec.ValidationError: A key has a value that makes no sense.
    """
    own = names()
    loaded = {name: workloads.load(name, own) for name in wanted if name not in own}
    request = Request(tuple(wanted), loaded, given)
    chosen = [one for kind in known() for one in kind.chosen(request)]
    return tuple(sorted(chosen, key=lambda one: (one.place, wanted.index(one.asked[0]))))


def guests[Kept](context: Context, evidence: Evidence[Kept]) -> Iterator[Kept]:
    """Return what was read in the other sandboxes that run a kernel of their own."""
    for name in context.sandboxes:
        if name != context.name and find(name).isolation == "machine":
            kept = evidence.read(context.logs, name)
            if kept is not None:
                yield kept


def options(kind: type[Experiment], given: Mapping[str, Any]) -> Any:
    """Return an experiment's own keys out of those of all.

    Raises:
        msgspec.ValidationError: A value makes no sense.
    """
    fields = [field.name for field in msgspec.structs.fields(kind.Options)]
    return msgspec.convert({key: given[key] for key in fields if key in given}, kind.Options)
