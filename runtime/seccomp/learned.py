"""Profiles made from what a workload was seen to ask for, and their files."""

import errno
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from runtime.errors import SpecError
from runtime.seccomp import learn, oci, profiles
from runtime.seccomp.learn import ARGUMENTS, Observed
from runtime.seccomp.model import Argument, Profile, Rule

# ruff: noqa: SIM905  # a paragraph of words

#: What comes between the load of the filter and the workload's first instruction, whoever makes it
#: (the exec, the search for the program, the report that it failed), what any process needs to
#: end, and the init program: catatonit 0.2.1 or tini, static, with or without a signal to pass on.
RUNTIME = tuple(
    """
    access execve execveat exit exit_group faccessat faccessat2 newfstatat restart_syscall
    rt_sigreturn write writev
    arch_prctl brk chdir close close_range fcntl getpgrp getpid getrandom gettid ioctl kill mmap
    mprotect munmap openat prctl prlimit64 read readlink readlinkat rseq rt_sigaction
    rt_sigprocmask rt_sigtimedwait set_robust_list set_tid_address setpgid signalfd4 tgkill wait4
    """.split()
)
#: Calls whose argument is a set of flags, and the flags of it that make a namespace.
_FLAGS = {
    "clone": profiles.CLONE_NAMESPACES,
    "unshare": profiles.CLONE_NAMESPACES | 0x80,  # CLONE_NEWTIME; for clone it is no flag
}


def learned_profile(
    observed: Observed,
    base: Profile | None = None,
    *,
    name: str = "learned",
    image: str | None = None,
    command: Sequence[str] = (),
) -> Profile:
    """A profile that allows what was observed, and what the runtime itself needs.

    Args:
        observed: by a supervisor.
        base: profile below which it was learned; the result allows nothing that it does not.
        name: of the new profile.
        image: digest of the image, for the record.
        command: what ran, for the record.

    Returns:
        An allow-list; everything else fails with EPERM, and clone3 with ENOSYS.

    Raises:
        SpecError: the base is no allow-list.
    """
    learn.check_base(base)
    wanted = {*observed.calls, *RUNTIME, "clone"} - {"clone3"}
    plain: list[str] = []
    rules: list[Rule] = []
    for call in sorted(wanted):
        if base is None or call in base.calls():
            if call in ARGUMENTS:
                rules += _by_argument(call, observed.arguments.get(call, {}))
            else:
                plain.append(call)
        else:
            rules += _below(base, call, observed.arguments.get(call, {}))
    provenance: dict[str, Any] = {
        "name": name,
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "image": image,
        "command": list(command),
        "base": None if base is None else base.name,
        "calls": dict(observed.calls),
        "arguments": {
            call: {str(value): count for value, count in values.items()}
            for call, values in observed.arguments.items()
        },
        "unknown": {str(number): count for number, count in observed.unknown.items()},
    }
    return Profile(
        name=name,
        default_errno_ret=errno.EPERM,
        flags=(),
        rules=(Rule(tuple(plain)), profiles.NO_CLONE3, *rules),
        provenance=provenance,
    )


def _by_argument(call: str, values: Iterable[int]) -> list[Rule]:
    """The call with the values seen; of flags, without those namespaces not seen."""
    if call not in _FLAGS:
        return list(profiles.equal(call, sorted(values), ARGUMENTS[call]))
    seen = 0
    for value in values:
        seen |= value
    return [Rule((call,), args=(Argument.int_without(0, _FLAGS[call] & ~seen),))]


def _below(base: Profile, call: str, values: Iterable[int]) -> list[Rule]:
    """The call as far as the base allows it by conditions.

    OCI cannot say that two conditions on one argument hold together, so it is either the base's or
    the values seen: these where the base asks about the same argument only, since the base let
    each of them through.
    """
    found = [
        Rule((call,), rule.action, rule.args, rule.errno_ret)
        for rule in base.rules
        if call in rule.names and rule.args and rule.action == "SCMP_ACT_ALLOW"
    ]
    asked = {argument.index for rule in found for argument in rule.args}
    if asked == {ARGUMENTS.get(call)} and call not in _FLAGS:
        return _by_argument(call, values)
    return found


def save(profile: Profile, path: Path) -> None:
    """Write a profile as OCI's `linux.seccomp`, which other runtimes take as well.

    What it was learned from stands in a field of ours, `provenance`.

    Raises:
        OSError: it cannot be written; an older file stays as it was.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(json.dumps(oci.to_object(profile), indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def load(path: Path) -> Profile:
    """Read what `save` wrote, or any file with an OCI `linux.seccomp`.

    Raises:
        SpecError: it cannot be read or is none; names the field.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise SpecError(str(path), f"cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(str(path), f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise SpecError(str(path), "holds no JSON object")
    profile = oci.parse(value, path=f"{path}: seccomp")
    name = (profile.provenance or {}).get("name")
    return oci.parse(value, name=name if isinstance(name, str) else path.stem)
