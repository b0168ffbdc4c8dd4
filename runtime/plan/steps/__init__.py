"""The steps of setting a container up, as small frozen values.

A plan is a list of them. Python decides what is done and in which order, prints it (`describe`)
and hands it over as plain numbers and strings (`encoding`); the executor, a small C program beside
the spawner (`runtime/executor`), carries it out. A Python child would copy four hundred pages of
the interpreter in every start.
"""

from __future__ import annotations

from typing import Any, Protocol


class Operation(Protocol):
    """One step; its fields are what the executor reads, unless `wire` says otherwise."""

    def describe(self) -> str:
        """What the step does, in words that fit after "cannot"."""
        ...

    def wire(self) -> tuple[Any, ...]:
        """The fields as integers, strings, and tuples of them, in the executor's order."""
        ...
