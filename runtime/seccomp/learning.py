"""A run of a container from which a filter for that very container is learned.

The container runs as it would, but its filter reports every call that the profile allows; what it
asked for makes a profile of its own (`runtime.seccomp.learned`), which allows no more.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from runtime import seccomp
from runtime.errors import SpecError
from runtime.seccomp import Filter, Profile
from runtime.seccomp.learn import Observed, Supervisor, notifier
from runtime.seccomp.learned import learned_profile
from runtime.spec import Spec

_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a run has taught.

    Attributes:
        profile: allows what was seen, and what the container's own set-up needs.
        observed: calls and arguments, with how often.
        status: exit status of the workload, None where the time was over before it ended.
    """

    profile: Profile
    observed: Observed
    status: int | None


class Reporting(Protocol):
    """A container whose filter reports its calls; a context manager whose end deletes it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def take_listener(self) -> int:
        """Take over the descriptor of the filter's notifications."""

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the end; the exit status, None on timeout."""


class Reporter(Protocol):
    """What runs a container under a filter that reports, as `runtime.Engine` does."""

    def report(
        self,
        spec: Spec,
        reporting: Filter,
        *,
        stdio: tuple[int, int, int] | None = None,
        extra_fds: Mapping[int, int] | None = None,
    ) -> Reporting:
        """Run a specification under that filter."""


def learn(
    engine: Reporter,
    spec: Spec,
    *,
    stdio: tuple[int, int, int] | None = None,
    extra_fds: Mapping[int, int] | None = None,
    timeout_s: float | None = None,
) -> Lesson:
    """Run a container to its end and learn which system calls it makes.

    Args:
        engine: to run it by.
        spec: the container; the profile is learned below its own, so that it never allows more.
        stdio: as for `Engine.run`.
        extra_fds: likewise.
        timeout_s: end it after that time; what was seen until then is what is learned.

    Raises:
        SpecError: it has no built-in profile to learn below.
        ContainerError: as `Engine.run`.
    """
    if spec.linux.seccomp is None:
        raise SpecError("linux.seccomp", "is not set; name the profile to learn below")
    base = seccomp.find(spec.linux.seccomp)
    container = engine.report(spec, notifier(base), stdio=stdio, extra_fds=extra_fds)
    until = None if timeout_s is None else time.monotonic() + timeout_s
    with container:
        listener = container.take_listener()
        with Supervisor(listener) as supervisor:
            observed = supervisor.collect(timeout_s)
        # nobody is left under the filter, unless the time is over; the end is seen a little later
        over = until is not None and time.monotonic() >= until
        status = container.wait(0 if over else _END_S)
    return Lesson(learned_profile(observed, base), observed, status)
