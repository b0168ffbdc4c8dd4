"""The process that `exec` runs: a file's, or the container's own with other arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runtime.cli import specification
from runtime.cli.home import with_home
from runtime.cli.options import UsageError
from runtime.spec import CapabilitySets, User, capabilities

if TYPE_CHECKING:
    from runtime.cli.entry import Entry
    from runtime.cli.options import Options
    from runtime.spec import Process, Spec

_MOST_ID = 2**32 - 2


def exec_process(entry: Entry, spec: Spec, options: Options, command: list[str]) -> Process:
    """The process, checked and complete.

    Args:
        entry: the container.
        spec: of it.
        options: of the command line.
        command: program and arguments, where no --process file gives them.

    Raises:
        UsageError: an option is wrong. SpecError: naming a field of the file.
    """
    name = options.get("process")
    process = specification.read_process(name) if name else _changed(spec.process, options, command)
    specification.check_exec_process(process, spec)
    mapped = spec.linux.namespace("user") is not None
    process, _ = specification.grantable(process, mapped=mapped)
    root = f"/proc/{entry.record.pid}/root"
    return replace(process, env=with_home(process, root), init=False)


def _changed(own: Process, options: Options, command: list[str]) -> Process:
    """The container's own process, with what the options say."""
    if not command:
        raise UsageError("exec needs a program, or --process with a file that names one")
    for option in ("process-label", "apparmor"):
        if options.get(option):
            raise UsageError(f"--{option}: this runtime cannot confine so; leave it out")
    env = dict(own.env)
    for text in options.all("env"):
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--env {text[:40]!r} is not NAME=VALUE")
        env[key] = value
    process = replace(
        own,
        args=tuple(command),
        env=env,
        cwd=options.get("cwd") or own.cwd,
        user=_user(own.user, options),
        terminal=options.has("tty"),
        console_size=None,
    )
    if "no-new-privs" in options.single:
        process = replace(process, no_new_privileges=options.has("no-new-privs"))
    return _with_capabilities(process, options.all("cap"))


def _user(own: User, options: Options) -> User:
    uid, gid, groups = own.uid, own.gid, own.additional_gids
    given = options.get("user")
    if given:
        first, colon, second = given.partition(":")
        uid = _id(first, "--user", "UID[:GID]")
        gid = _id(second, "--user", "UID[:GID]") if colon else gid
    added = (_id(value, "--additional-gids", "a GID") for value in options.all("additional-gids"))
    return User(uid=uid, gid=gid, additional_gids=(*groups, *added))


def _id(text: str, option: str, form: str) -> int:
    usable = text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_ID))
    if not usable or int(text) > _MOST_ID:
        raise UsageError(f"{option} takes numbers, {form}; {text[:40]!r} is none")
    return int(text)


def _with_capabilities(process: Process, names: list[str]) -> Process:
    if not names:
        return process
    for name in names:
        if name not in capabilities.NUMBERS:
            raise UsageError(f"--cap {name[:40]!r} is no capability of Linux")
    sets = process.capability_sets
    if sets is None:
        own = process.capabilities or ()
        sets = CapabilitySets(bounding=own, effective=own, permitted=own)
    added = tuple(names)
    sets = replace(
        sets,
        bounding=_union(sets.bounding, added),
        effective=_union(sets.effective, added),
        permitted=_union(sets.permitted, added),
        ambient=_union(sets.ambient, tuple(name for name in added if name in sets.inheritable)),
    )
    return replace(process, capabilities=(), capability_sets=sets)


def _union(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*one, *other)))
