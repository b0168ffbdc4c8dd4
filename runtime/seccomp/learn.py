"""A supervisor that notes the system calls of a workload whose filter reports each.

The filter answers every call with SECCOMP_RET_USER_NOTIF; a supervisor notes it down and lets it
go on. Nothing is missed, since a call waits until it is noted; every thread and every process that
the workload makes is under the same filter; neither root nor tracing is needed, so a workload may
trace as well. docs/seccomp.md compares it with ptrace and with tracepoints, and says what the step
that loads the filter has to do.

    program = notifier(base)                    load it with program.flags; seccomp(2) returns the
    with Supervisor(listener) as supervisor:    listener
        observed = supervisor.collect()         until the last process has ended
    learned_profile(observed, base)             see `learned`
"""

import errno
import os
import select
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from runtime.errors import SpecError
from runtime.seccomp import actions, library, numbers
from runtime.seccomp.compiler import compile_filter
from runtime.seccomp.model import INT, Filter, Profile, Rule
from runtime.seccomp.notifications import Listener

#: Calls of which one argument matters, and which: families, personas, flags, namespaces.
ARGUMENTS = {
    "socket": 0,
    "socketpair": 0,
    "personality": 0,
    "clone": 0,
    "unshare": 0,
    "setns": 1,
}

#: Never let through unreported: the exec closes the process's copy of the listener, so it has to
#: wait until the supervisor has its own.
_ALWAYS = {"execve", "execveat"}


@dataclass(frozen=True, slots=True)
class Observed:
    """What a workload asked for.

    Attributes:
        calls: name to how often it was made.
        arguments: of the calls in `ARGUMENTS`, value to how often.
        unknown: numbers that no call known here has, to how often; they were told ENOSYS.
    """

    calls: Mapping[str, int] = field(default_factory=dict)
    arguments: Mapping[str, Mapping[int, int]] = field(default_factory=dict)
    unknown: Mapping[int, int] = field(default_factory=dict)

    def merged(self, other: "Observed") -> "Observed":
        """Both together, as of several runs."""
        names = self.arguments.keys() | other.arguments.keys()
        return Observed(
            _sum(self.calls, other.calls),
            {n: _sum(self.arguments.get(n, {}), other.arguments.get(n, {})) for n in sorted(names)},
            _sum(self.unknown, other.unknown),
        )


def _sum[Key: (str, int)](one: Mapping[Key, int], other: Mapping[Key, int]) -> dict[Key, int]:
    total = Counter(one)
    total.update(other)
    return dict(sorted(total.items()))


def notifier(base: Profile | None = None, known: Observed | None = None) -> Filter:
    """A filter that reports calls, to be loaded with its flags.

    Args:
        base: profile to learn below: what it refuses stays refused, and what it allows is reported.
            None reports everything and refuses nothing.
        known: of an earlier run; what is in there, and has no argument that matters, is allowed
            without a report, so that a further run of the workload is quicker.

    Raises:
        SpecError: the base is no allow-list.
        UnsupportedError: libseccomp is missing or too old.
    """
    check_base(base)
    rules = () if base is None else base.rules
    quiet = (known.calls.keys() if known else set()) - ARGUMENTS.keys() - _ALWAYS
    if base is not None:
        quiet &= set(base.calls())
    reporting = []
    for rule in rules:
        if rule.action == "SCMP_ACT_ALLOW":
            names = tuple(name for name in rule.names if rule.args or name not in quiet)
            if names:
                reporting.append(replace(rule, names=names, action="SCMP_ACT_NOTIFY"))
        else:
            reporting.append(rule)
    if quiet:
        reporting.append(Rule(tuple(sorted(quiet))))
    profile = replace(base or Profile(default_action="SCMP_ACT_NOTIFY"), rules=tuple(reporting))
    # a signal must not interrupt a call that is noted already: it would be made and noted again,
    # for ever where signals come in faster than answers
    return compile_filter(replace(profile, flags=("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",)))


def check_base(base: Profile | None) -> None:
    """Refuse a profile that allows what it does not name: nothing of that would be reported.

    Raises:
        SpecError: it does.
    """
    if base is not None and not actions.refuses(base.default):
        raise SpecError(
            "linux.seccomp.defaultAction",
            f"{base.default_action} of the profile {base.name!r} refuses nothing; learn below an "
            "allow-list",
        )


class Supervisor:
    """Notes down and answers what a filter of `notifier` reports; a context manager.

    Every call goes on, but clone3, which a filter cannot judge, and calls that nobody knows: these
    get ENOSYS, as they will from the learned profile.

    Args:
        listener: descriptor that seccomp(2) returned; owned from here on.
    """

    def __init__(self, listener: int) -> None:
        self._listener = Listener(listener)
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._calls: Counter[int] = Counter()
        self._arguments: dict[str, Counter[int]] = {}
        self._watched: dict[int, tuple[str, int]] = {}
        for name, index in ARGUMENTS.items():
            number = numbers.number_of(name)
            if number is not None:
                self._watched[number] = (name, index)
        self._clone3 = numbers.number_of("clone3")
        self._native = library.native_architecture()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answer no more: calls of processes that still run fail with ENOSYS. Idempotent."""
        self._listener.close()
        if self._stop >= 0:
            os.close(self._stop)
            self._stop = -1

    def stop(self) -> None:
        """End `collect` from another thread."""
        os.eventfd_write(self._stop, 1)

    def collect(self, timeout_s: float | None = None) -> Observed:
        """Answer until the last process under the filter has ended, `stop`, or the time is over.

        Before Linux 6.11 the kernel does not wake a supervisor if the last process is killed in the
        instant between its report and our receiving it: bound what is collected from by `stop` or
        a time limit, and close the listener from outside if need be.
        """
        poll = select.poll()
        poll.register(self._listener, select.POLLIN)
        poll.register(self._stop, select.POLLIN)
        end = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            left_ms = None if end is None else max(0.0, end - time.monotonic()) * 1000
            events = dict(poll.poll(left_ms))
            if not events or self._stop in events:
                break
            if events[self._listener.fileno()] & select.POLLIN:
                self._answer()
            else:
                break  # POLLHUP alone: nobody is left
        return self.observed

    def _answer(self) -> None:
        notification = self._listener.receive()
        if notification is None:
            return
        number = notification.number
        if notification.arch != self._native:
            self._listener.refuse(notification, errno.EPERM)
            return
        self._calls[number] += 1
        if number == self._clone3 or numbers.name_of(number) is None:
            self._listener.refuse(notification, errno.ENOSYS)
            return
        watched = self._watched.get(number)
        if watched is not None:
            name, index = watched
            values = self._arguments.setdefault(name, Counter())
            values[notification.args[index] & INT] += 1
        self._listener.carry_on(notification)

    @property
    def observed(self) -> Observed:
        """What has been asked for so far."""
        named = {numbers.name_of(number): count for number, count in self._calls.items()}
        unknown = {n: count for n, count in self._calls.items() if numbers.name_of(n) is None}
        return Observed(
            dict(sorted((name, count) for name, count in named.items() if name is not None)),
            {name: dict(sorted(values.items())) for name, values in self._arguments.items()},
            unknown,
        )
