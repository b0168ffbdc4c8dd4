"""Registry of the sandbox kinds, each described in the file that defines it.

A kind is one file in ``benchmarks/sandboxes/kinds``, which calls `register`; no other module lists
kinds. The helper process imports this module too, so it imports little itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from benchmarks import nearest
from benchmarks.errors import UnknownSandboxError

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.sandboxes.base import Sandbox, Setting, Testbed

HOST = "native"
"""The sandbox that stands for the host itself; its kind's testbed is everybody's."""

NO_CGROUP = "no-cgroup"
"""Variant of a kind that is started without a control group."""


@dataclass(frozen=True)
class SandboxName:
    """The name of a sandbox, parsed: ``oci:crun:no-cgroup``.

    Attributes:
        text: The whole name.
        kind: The text before the first colon.
        variant: The text after it; ``""`` for the kind's default.
    """

    text: str
    kind: str
    variant: str

    @classmethod
    def parse(cls, text: str) -> SandboxName:
        """Split a name; `find` says whether there is such a sandbox."""
        kind, _, variant = text.partition(":")
        return cls(text, kind, variant)

    @property
    def without_group(self) -> bool:
        """Whether the variant is the one without a control group."""
        return self.variant.rpartition(":")[2] == NO_CGROUP


@dataclass(frozen=True)
class Kind:
    """Description of a kind of sandbox: what all sandboxes of this kind have in common.

    Attributes:
        name: The text before the colon of their names.
        title: A few words that say what one is.
        names: The names that help texts list.
        open: Makes a sandbox of this kind; nothing is started yet.
        limits: How CPUs and memory are enforced, in words.
        network: How an instance is connected to the testbed, in words; None where none is.
        isolation: ``none`` for a bare process, ``container`` where instances share the host's
            kernel, ``machine`` where each boots its own, ``simulated`` where nothing runs.
        start_and_stop_s: Time of a start and a stop on a host with two cores, for estimates.
        start_s: The same for names that take another time.
        memory_step_bytes: Smallest difference between two memory limits that it can tell apart.
        needs: Abilities of the host that it needs, by their names in ``tare doctor``.
        lacks: Metrics that it cannot have, and why.
        suite_rounds: How often ``pytest benchmarks`` starts one.
        testbed: Makes the testbed of campaigns of this kind alone; None for the host's.
        pattern: Matches further names of this kind.
    """

    name: str
    title: str
    names: tuple[str, ...]
    open: Callable[[str, Setting], Sandbox]
    limits: str
    network: str | None = None
    isolation: Literal["none", "container", "machine", "simulated"] = "container"
    start_and_stop_s: float = 0.1
    start_s: Mapping[str, float] = field(default_factory=dict)
    memory_step_bytes: int = 64 << 10
    needs: tuple[str, ...] = ("root", "image")
    lacks: Mapping[str, str] = field(default_factory=dict)
    suite_rounds: int = 20
    testbed: Callable[[Setting], Testbed] | None = None
    pattern: re.Pattern[str] | None = None

    @property
    def shares_kernel(self) -> bool:
        """Whether its instances run on the host's kernel."""
        return self.isolation in {"none", "container"}

    def has(self, name: str) -> bool:
        """Whether a name is one of this kind's."""
        return name in self.names or bool(self.pattern and self.pattern.fullmatch(name))

    def enforcement(self, name: str) -> str:
        """Describe how the limits of one of its sandboxes are enforced."""
        if SandboxName.parse(name).without_group:
            return "CPU affinity alone: this variant has no control group"
        return self.limits

    def estimate_s(self, name: str) -> float:
        """Return what a start and a stop of one of its sandboxes take, roughly, in seconds."""
        return self.start_s.get(name, self.start_and_stop_s)


_kinds: list[Kind] = []


def register(kind: Kind) -> Kind:
    """Add a kind; a name that two kinds have belongs to the first."""
    _kinds.append(kind)
    return kind


@cache
def _discovered(folders: tuple[str, ...]) -> None:
    """Import the files that define kinds."""
    for module in pkgutil.iter_modules(folders):
        importlib.import_module(f"benchmarks.sandboxes.kinds.{module.name}")


def all_kinds() -> tuple[Kind, ...]:
    """Return every kind, in the order of their files' names."""
    package = importlib.import_module("benchmarks.sandboxes.kinds")
    _discovered(tuple(package.__path__))
    return tuple(_kinds)


def names() -> tuple[str, ...]:
    """Return the names that help texts list, kind by kind."""
    return tuple(name for kind in all_kinds() for name in kind.names)


def find(name: str) -> Kind:
    """Return the kind of a sandbox.

    Raises:
        UnknownSandboxError: There is no such sandbox.
    """
    for kind in all_kinds():
        if kind.has(name):
            return kind
    raise UnknownSandboxError(
        f"there is no sandbox {name!r}; {nearest.hint(name, names(), 'sandboxes')}"
    )


def isolation(kind: str) -> str | None:
    """Return the isolation of a kind that a run recorded; None where it is unknown here."""
    return next((one.isolation for one in all_kinds() if one.name == kind), None)


def simulated(sandboxes: Iterable[str]) -> bool:
    """Tell whether all of these sandboxes are simulated."""
    return all(find(name).isolation == "simulated" for name in sandboxes)


def open_sandbox(name: str, setting: Setting) -> Sandbox:
    """Open a sandbox by name; nothing is started yet.

    Raises:
        UnknownSandboxError: There is no such sandbox.
        UnsuitableHostError: The host lacks what it needs.
    """
    return find(name).open(name, setting)


def make_testbed(sandboxes: Iterable[str], setting: Setting) -> Testbed:
    """Return the testbed of these sandboxes; nothing is made before it is entered.

    Raises:
        UnsuitableHostError: The host lacks what it needs.
    """
    kinds = {find(name).name: find(name) for name in sandboxes}
    make = next(iter(kinds.values())).testbed if len(kinds) == 1 else None
    make = make or find(HOST).testbed
    assert make is not None  # the host's own kind has one
    return make(setting)
