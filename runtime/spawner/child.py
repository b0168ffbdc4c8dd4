"""What happens between clone and exec, in the process that becomes the container."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING, Any, Never

from runtime import syscalls
from runtime.operations.context import Context
from runtime.spawner.init import FIRST_DESCRIPTOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.operations import Operation


def become(
    plan: Sequence[Operation],
    fields: dict[str, Any],
    descriptors: dict[int, int],
    *,
    time_steps: bool,
) -> Never:
    """Carry the plan out; its last step is the exec, so this never returns.

    On failure the spawner is told which step the kernel refused and why, in one message.

    Args:
        plan: the steps.
        fields: of the Context; and "undumpable", whether to close /proc/PID to all but the host's
            root until the exec. Not where the spawner has to write an id mapping: /proc/PID/uid_map
            would belong to the host's root, which a spawner in a user namespace is not.
        descriptors: number in the workload to number here.
        time_steps: send the clock after every step, for benchmarks.
    """
    control: int = fields["control"]
    step: Operation | None = None
    try:
        if fields["undumpable"]:
            syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        # Until the identity steps do it for good: nothing half-made outlives the spawner.
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        if control <= max(descriptors, default=-1):
            control = fcntl.fcntl(control, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
            fields["control"] = control
        _arrange(descriptors)
        fields["passed"] = tuple(number for number in descriptors if number > 2)  # noqa: PLR2004  # stdio
        # Python ignores SIGPIPE and the spawner blocks nothing; a workload expects the defaults.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        context = Context(fields)
        if time_steps:
            stamps: list[bytes] = []
            for step in plan:
                if type(step).__name__ == "ReportReady":
                    os.write(control, b"s" + b",".join(stamps))
                step.apply(context)
                stamps.append(b"%s=%d" % (type(step).__name__.encode(), time.monotonic_ns()))
        else:
            for step in plan:
                step.apply(context)
    except OSError as error:
        what = step.describe() if step else "arrange the descriptors"
        reason = error.strerror or str(error)
        if error.filename:
            reason += f" ({error.filename})"
        _fail(control, type(step).__name__, what, reason, error.errno or 0)
    except BaseException as error:  # noqa: BLE001  # nothing may return into the spawner's loop
        what = step.describe() if step else "arrange the descriptors"
        _fail(control, type(step).__name__, what, f"{type(error).__name__}: {error}", 0)
    os._exit(125)


def _fail(control: int, kind: str, what: str, reason: str, number: int) -> Never:
    try:
        os.write(control, f"e{kind}\0{what}\0{reason}\0{number}".encode("utf-8", "replace"))
    finally:
        os._exit(125)


def _arrange(descriptors: dict[int, int]) -> None:
    """Give each descriptor the number the workload expects.

    Sources that lie among the targets first move above them, so that no target overwrites a
    source still needed; as a rule none does, since the spawner itself holds the low numbers.
    """
    top = max(descriptors, default=-1)
    for target, source in descriptors.items():
        if source <= top:
            descriptors[target] = fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR)
    for target, source in descriptors.items():
        os.dup2(source, target)
