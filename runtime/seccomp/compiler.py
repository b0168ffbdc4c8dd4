"""A compiler from a filter as data to the program that the kernel runs.

Calls that are decided by their number alone go into a search tree of ours (see `assembly`).
libseccomp makes the rest (see `tail`), where mistakes are easy: comparisons of 64-bit arguments,
and the entries of other architectures. That part is entered only by calls that need it.

Unknown calls, repeated argument numbers, rules that say what the default says already: as runc and
crun treat them (libcontainer/seccomp, libcrun/seccomp.c). Two things differ, see docs/seccomp.md:
what comes by an entry that the filter is not made for is refused, not killed for; and a call newer
than any that the filter's author can have known does not exist.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from runtime.errors import SpecError, UnsupportedError
from runtime.seccomp import actions, assembly, library, numbers
from runtime.seccomp.model import Filter
from runtime.seccomp.tail import Setting, Single, compile_tail

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from runtime.seccomp.assembly import Fate
    from runtime.seccomp.model import Argument, Profile

TSYNC, LOG, SPEC_ALLOW, NEW_LISTENER, WAIT_KILLABLE_RECV = 1, 2, 4, 8, 32
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": WAIT_KILLABLE_RECV,
}
_NATIVE, _X32 = "SCMP_ARCH_NATIVE", "SCMP_ARCH_X32"
_X86_64 = 0xC000003E


def compile_filter(profile: Profile, path: str = "linux.seccomp") -> Filter:
    """The profile as the kernel takes it.

    Args:
        profile: what to compile.
        path: where it stands in the specification, for messages.

    Raises:
        SpecError: two rules contradict each other, an architecture does not go with the machine's
            own, or the program gets longer than the kernel takes.
        UnsupportedError: libseccomp is missing or too old.
    """
    native = library.native_architecture()
    others = _others(profile, native, path)
    decided, guarded = _sort(_singles(profile, strangers=bool(others)), path)
    foreign = profile.default
    if not actions.refuses(foreign):  # or a list of refusals would be evaded by another entry
        foreign = actions.refuse(errno.EPERM)

    table = _table(profile, decided, {single.number for single in guarded})
    if native == _X86_64:
        listed = _X32 in profile.architectures
        table.append((assembly.X32_BIT, None if listed else foreign))
    program = assembly.head(native, None if others else foreign, table)
    setting = Setting(profile.default, foreign, others, path)
    if others:
        outright = [Single(0, action, number, ()) for number, action in decided.items()]
        program += compile_tail([*outright, *guarded], setting)
    elif guarded:
        program += compile_tail(guarded, setting)
    if assembly.length(program) > assembly.LONGEST:
        raise SpecError(
            path,
            f"makes a filter of {assembly.length(program)} instructions; the kernel takes "
            f"{assembly.LONGEST}",
        )
    return Filter(program, _flags(profile), profile.listener_path, profile.listener_metadata)


def _singles(profile: Profile, *, strangers: bool) -> Iterator[Single]:
    """Rules that name a known call and say something else than the default.

    Args:
        profile: whose rules.
        strangers: also rules for calls that only other architectures have.
    """
    for at, rule in enumerate(profile.rules):
        if rule.encoded == profile.default:
            continue
        for name in rule.names:
            number = numbers.number_of(name)
            if number is not None and (number >= 0 or strangers):
                for conditions in _alternatives(rule.args):
                    yield Single(at, rule.encoded, number, conditions)


def _alternatives(args: tuple[Argument, ...]) -> list[tuple[Argument, ...]]:
    """Conditions hold together, but where an argument is named twice, each by itself."""
    if len({argument.index for argument in args}) == len(args):
        return [args]
    return [(argument,) for argument in args]


def _sort(singles: Iterable[Single], path: str) -> tuple[dict[int, int], list[Single]]:
    """What the number of a call decides, and the rules for calls of which it decides nothing.

    As in libseccomp, an unconditional rule outweighs all others for its call, and of two such the
    first stays.
    """
    decided: dict[int, int] = {}
    conditional: dict[tuple[int, tuple[Argument, ...]], Single] = {}
    for single in singles:
        if not single.conditions:
            decided.setdefault(single.number, single.action)
            continue
        earlier = conditional.setdefault((single.number, single.conditions), single)
        if earlier.action != single.action:
            name = numbers.name_of(single.number) or single.number
            raise SpecError(
                f"{path}.syscalls[{single.at}]",
                f"has the conditions of syscalls[{earlier.at}] for {name} and another action",
            )
    return decided, [s for s in conditional.values() if s.number not in decided]


def _table(
    profile: Profile, decided: Mapping[int, int], guarded: Iterable[int]
) -> list[tuple[int, Fate]]:
    """What is to be done with each of the machine's own call numbers."""
    named = (numbers.number_of(name) for rule in profile.rules for name in rule.names)
    end = 1 + max(numbers.NEWEST, *(number for number in named if number is not None), 0)
    fates: dict[int, Fate] = {**decided, **dict.fromkeys(guarded)}
    table = assembly.stretches(fates, profile.default, end)
    # What nobody could know when the filter was written: to a libc, EPERM means that the call is
    # there and must not be used, so it gives up; on ENOSYS it does without.
    beyond = profile.default
    if profile.default_action == "SCMP_ACT_ERRNO":
        beyond = actions.refuse(errno.ENOSYS)
    if table[-1][1] != beyond:
        table.append((end, beyond))
    return table


def _others(profile: Profile, native: int, path: str) -> tuple[tuple[str, int], ...]:
    """The architectures beside the machine's own, by name and libseccomp's token."""
    found = []
    for at, name in enumerate(profile.architectures):
        token = native if name == _NATIVE else library.architecture(name)
        if token is None:
            raise UnsupportedError(
                f"{path}.architectures[{at}]: this host's libseccomp does not know {name}"
            )
        if token != native:
            found.append((name, token))
    return tuple(found)


def _flags(profile: Profile) -> int:
    """For seccomp(2); where the profile leaves it open, as runc and crun choose.

    Left out is what the kernel refuses and what would change nothing: TSYNC beside a listener,
    since the process has one thread when it loads the filter, and WAIT_KILLABLE_RECV without one.
    """
    flags = SPEC_ALLOW if profile.flags is None else 0
    for name in profile.flags or ():
        flags |= FLAGS[name]
    if profile.notifies:
        return flags & ~TSYNC | NEW_LISTENER
    return flags & ~WAIT_KILLABLE_RECV
