"""The calls that a filter lets pass, worked out from its program alone: nothing is started.

Each number is asked for with the very arguments that the scan tries it with, so the two can be
held against each other; a filter that looks at arguments may answer others otherwise.
"""

from __future__ import annotations

import platform
from functools import cache
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError
from benchmarks.experiments.surface import calls

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PASSING = frozenset({0x7FFF0000, 0x7FFC0000})
"""SECCOMP_RET_ALLOW and SECCOMP_RET_LOG (linux/seccomp.h)."""
_ACTION = 0xFFFF0000


def profile_of(details: Mapping[str, Any]) -> str | None:
    """Return the name of the built-in filter that a sandbox's description states, or None."""
    isolation = details.get("isolation")
    found = isolation.get("seccomp") if isinstance(isolation, dict) else None
    return found if isinstance(found, str) else None


@cache
def passing(profile: str) -> tuple[str, ...]:
    """Return the calls known by name that a built-in filter lets pass.

    Raises:
        MeasurementError: The filter cannot be compiled or evaluated here.
    """
    from runtime import ContainerError
    from runtime.seccomp import compile_profile
    from runtime.seccomp.evaluate import AARCH64, X86_64, ProgramError, evaluate

    arch = {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())
    if arch is None:
        raise MeasurementError(f"filters are not evaluated for {platform.machine()}")
    try:
        program = compile_profile(profile)
        return tuple(
            name
            for number, arguments in calls.to_try()
            if (name := calls.name_of(number)) is not None
            and evaluate(program, arch, number, arguments) & _ACTION in _PASSING
        )
    except (ContainerError, ProgramError) as error:
        raise MeasurementError(f"the filter {profile} cannot be evaluated: {error}") from error
