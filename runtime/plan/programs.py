"""Programs for the executor, made from specifications; those made last are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from runtime.errors import EngineError
from runtime.plan import builder, entering
from runtime.plan.steps.encoding import encode
from runtime.spec import DEFAULT_HOST_ID
from runtime.users import rootless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.plan.steps import Operation
    from runtime.seccomp import Filter
    from runtime.spec import Process, Spec
    from runtime.users.mappings import Rootless

_KEPT = 256


class Planned(NamedTuple):
    """A plan, and what the executor reads of it."""

    operations: Sequence[Operation]
    encoded: bytes


class Programs:
    """Makes the programs of one engine's containers.

    Args:
        available: what may be mapped where the profiles' own ids do not exist; None where they do.
        has_init: whether an init program was found on this host.
        first_id: of the engine's own range, where the profiles' own exist.
    """

    def __init__(
        self, available: Rootless | None, *, has_init: bool, first_id: int = DEFAULT_HOST_ID
    ) -> None:
        self._available = available
        self._first_id = first_id
        self._has_init = has_init
        self._kept: dict[tuple[int, bool], tuple[Spec, Planned]] = {}

    def kept(self, spec: Spec, *, paused: bool) -> Planned | None:
        """The program made before of this very specification; None where there is none."""
        spec_then, planned = self._kept.get((id(spec), paused), (None, None))
        return planned if spec_then is spec else None

    def create(self, spec: Spec, *, paused: bool, reporting: Filter | None = None) -> Planned:
        """The program that makes a container; kept, but for one under a filter that reports.

        Raises:
            SpecError: there is no such filter.
            EngineError: it wants an init program, and there is none.
            UnsupportedError: this host lacks what it asks for.
        """
        fitted = self._fitted(spec)
        if spec.process.init and not spec.native and not self._has_init:
            raise EngineError(
                "no init program on this host: install catatonit or tini, or set process.init off"
            )
        operations = self._permitted(builder.create(fitted, paused=paused))
        program = builder.program(
            fitted,
            spec.process,
            operations,
            filter=reporting.program if reporting else _filter(spec),
            filter_flags=reporting.flags if reporting else 0,
        )
        planned = Planned(operations, encode(program))
        if reporting is None:
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[id(spec), paused] = (spec, planned)
        return planned

    def execute(self, spec: Spec, workload: Process) -> Planned:
        """The program that executes a further process in a container."""
        compiled = _filter(spec)
        first = entering.filter_comes_first(spec, workload, compiled)
        operations = self._permitted(builder.execute(spec, workload, filter_first=first))
        program = builder.program(spec, workload, operations, enter=True, filter=compiled)
        return Planned(operations, encode(program))

    def shift(self, spec: Spec) -> tuple[str, str]:
        """By what the owners of the image's files are shifted; as they are where ids are few."""
        as_is = self._available and not rootless.chooses(spec)
        return ("", "") if as_is else builder.mapping(rootless.moved(spec, self._first_id))

    def _fitted(self, spec: Spec) -> Spec:
        if self._available:
            return rootless.fit(spec, self._available)
        return rootless.moved(spec, self._first_id)

    def _permitted(self, operations: list[Operation]) -> list[Operation]:
        """The steps as whoever runs the engine may take them."""
        if self._available and rootless.unprivileged(self._available):
            return builder.without_setgroups(operations)
        return operations


def _filter(spec: Spec) -> bytes:
    """The filter of a specification as a BPF program, b"" for none.

    Raises:
        SpecError: there is no such profile.
        UnsupportedError: libseccomp is missing or refuses.
    """
    if spec.linux.seccomp_object is not None:
        from runtime.seccomp import compile_object  # only where wanted

        return compile_object(spec.linux.seccomp_object).program
    if spec.linux.seccomp is None:
        return b""
    from runtime.seccomp import compile_profile  # likewise

    return compile_profile(spec.linux.seccomp)
