"""Additions to the default container: Landlock, and a filter learned from the workloads.

``container:landlock`` and ``container:learned``, beside ``container``, show what each of them
protects and costs.
"""

import os
import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import runtime
from benchmarks.sandboxes.base import PAYLOAD, STAMP_DESCRIPTOR, Setting
from runtime.seccomp import learning, to_object
from runtime.spec import Landlock

_NOT_WRITTEN = frozenset({"etc", "proc", "sys", "usr"})
"""Folders that no workload of ours writes to; the others are writable, as in the default."""

_MOUNTED = frozenset({"dev", "proc", "sys"})
_COMMAND_S = 60.0
_FIRST_BYTE = f"printf m >&{STAMP_DESCRIPTOR}"


@dataclass(frozen=True)
class Addition:
    """One technology that the default container does without.

    Attributes:
        before_engine: Adds what needs no engine.
        with_engine: Adds what needs a running engine.
    """

    before_engine: Callable[[runtime.Spec], runtime.Spec] = lambda spec: spec
    with_engine: Callable[[runtime.Engine, runtime.Spec, Setting], runtime.Spec] = (
        lambda _engine, spec, _setting: spec
    )


def landlock(spec: runtime.Spec) -> runtime.Spec:
    """Let everything be read and executed, and only some folders be written."""
    writable = _folders(spec.root.path) - _NOT_WRITTEN
    rules = Landlock(read=("/",), write=tuple(f"/{name}" for name in sorted(writable)))
    return replace(spec, linux=replace(spec.linux, landlock=rules))


def _folders(root: Path) -> set[str]:
    """Return the folders of a root, without links: a rule names what the kernel will find."""
    own = {one.name for one in root.iterdir() if one.is_dir() and not one.is_symlink()}
    return own | _MOUNTED


def learned(engine: runtime.Engine, spec: runtime.Spec, setting: Setting) -> runtime.Spec:
    """Allow the system calls that the campaign's own commands make, and no others.

    Raises:
        ContainerError: As `runtime.Engine.run`.
    """
    shell = PAYLOAD[:3]
    commands = [shlex.join(command) for command in setting.commands]
    script = "; ".join([_FIRST_BYTE, *(f"{one} >/dev/null 2>&1" for one in commands), "sleep 0.1"])
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        lesson = learning.learn(
            engine,
            replace(spec, process=replace(spec.process, args=(*shell, script))),
            stdio=(null, null, null),
            extra_fds={STAMP_DESCRIPTOR: null},
            timeout_s=_COMMAND_S * (1 + len(commands)),
        )
    finally:
        os.close(null)
    linux = replace(spec.linux, seccomp=None, seccomp_object=to_object(lesson.profile))
    return replace(spec, linux=linux)


ADDITIONS = {"landlock": Addition(before_engine=landlock), "learned": Addition(with_engine=learned)}
"""Addition by the variant of ``container`` that has it."""
