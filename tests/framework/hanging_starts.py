"""Container starts that hang at one of their steps: they wait for a token that never comes."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runtime import ContainerError
from runtime.plan import builder
from runtime.plan.steps import sync

if TYPE_CHECKING:
    from runtime import Engine, Spec
    from runtime.plan.steps import Operation

#: The annotation that names the step.
HANG = "hang"
real_create = builder.create


def create_and_hang(spec: Spec, **how: Any) -> list[Operation]:
    """What takes the place of `plan.create`, with "x" among `sync.TOKENS`."""
    steps = real_create(spec, **how)
    if HANG in spec.annotations:
        steps.insert(int(spec.annotations[HANG]), sync.Await("x"))
    return steps


def hanging(spec: Spec, step: int) -> Spec:
    return replace(spec, annotations={HANG: str(step)})


class Start:
    """A start in a thread of its own, and what became of it."""

    def __init__(self, engine: Engine, spec: Spec, name: str | None = None) -> None:
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, args=(engine, spec, name), daemon=True)
        self.thread.start()

    def _run(self, engine: Engine, spec: Spec, name: str | None) -> None:
        try:
            engine.run(spec, id=name)
        except ContainerError as error:
            self.error = error

    def hangs(self) -> bool:
        self.thread.join(0.1)
        return self.thread.is_alive()
