"""The steps of setting a container up, as small frozen values.

A plan is a list of them. The harness makes and prints it (`describe`), the spawner's child carries
it out (`apply`), in order. They are named tuples, not dataclasses: the spawner imports them, and
dataclasses alone would add a fifth to the memory that every start has to copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

from runtime.operations import identity, mounts, process, sync

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.operations.context import Context


class Operation(Protocol):
    """One step."""

    def describe(self) -> str:
        """What the step does, in words that fit after "cannot"."""
        ...

    def apply(self, context: Context) -> None:
        """Do it, in the process that becomes the container.

        Raises:
            OSError: the kernel refused.
        """
        ...


_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for module in (identity, mounts, process, sync)
    for kind in vars(module).values()
    if isinstance(kind, type) and hasattr(kind, "describe")
}


def encode(plan: Sequence[Operation]) -> list[tuple[str, tuple[Any, ...]]]:
    """The plan as plain values that marshal takes."""
    return [(type(step).__name__, tuple(cast("tuple[Any, ...]", step))) for step in plan]


def decode(plan: Sequence[tuple[str, Sequence[Any]]]) -> list[Operation]:
    """The reverse of `encode`."""
    return [_KINDS[name](*fields) for name, fields in plan]
