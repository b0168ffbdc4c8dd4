"""Hooks that run on the host's side (config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from contextlib import ExitStack
from typing import TYPE_CHECKING

from runtime.cli.record import hook_outputs
from runtime.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from runtime.cli.entry import Entry
    from runtime.cli.record import Record
    from runtime.spec import Hook

_LONGEST = 4096


def run(hooks: Sequence[Hook], found: Record, status: str) -> None:
    """Run them one after the other in the bundle, with the state on standard input.

    Args:
        hooks: what to run.
        found: the container; its pid is not shown where it has stopped.
        status: of it.

    Raises:
        HookError: one cannot be run, fails, or takes longer than it may.
    """
    text = json.dumps(found.state(status, 0 if status == "stopped" else found.pid)).encode()
    for hook in hooks:
        with ExitStack() as stack:
            outputs = [_open(stack, hook, path) for path in hook_outputs(found)]
            _run(hook, text, found.bundle, outputs)


def _open(stack: ExitStack, hook: Hook, path: str) -> int:
    """A file that takes output, or one in memory, of which the last line is shown on failure.

    A file, not a pipe: whatever the hook leaves behind cannot hold us by it.
    """
    try:
        if path:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        else:
            fd = os.memfd_create("hook", os.MFD_CLOEXEC)
    except OSError as error:
        raise HookError(f"run the hook {hook.path}", f"{path}: {error.strerror}") from error
    stack.callback(os.close, fd)
    return fd


def of(entry: Entry, kind: str) -> Sequence[Hook]:
    """The hooks of a container that is there already.

    Args:
        entry: the container.
        kind: field of `runtime.spec.Hooks`.

    Raises:
        SpecError: its configuration cannot be read any more.
    """
    from runtime.cli import specification

    spec = specification.load_copy(entry.config, entry.record.bundle)
    found: Sequence[Hook] = getattr(spec.hooks, kind)
    return found


def _run(hook: Hook, state: bytes, folder: str, outputs: Sequence[int]) -> None:
    what = f"run the hook {hook.path}"
    try:
        process = subprocess.Popen(
            hook.args or (hook.path,),
            executable=hook.path,
            stdin=subprocess.PIPE,
            stdout=outputs[0],
            stderr=outputs[1],
            # none given: the runtime's own, as runc and crun have it
            env=dict(entry.partition("=")[::2] for entry in hook.env) if hook.env else None,
            cwd=folder if os.path.isdir(folder) else None,
            start_new_session=True,
        )
        with process:
            try:
                process.communicate(state, timeout=hook.timeout_s)
            except subprocess.TimeoutExpired:
                raise HookError(what, f"it did not end within {hook.timeout_s:g} s") from None
            finally:
                if process.poll() is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
    except OSError as error:
        raise HookError(what, error.strerror or str(error), error.errno or 0) from error
    if process.returncode:
        raise HookError(what, _failure(process.returncode, outputs[1]))


def _failure(status: int, said: int) -> str:
    size = os.fstat(said).st_size
    text = os.pread(said, _LONGEST, max(0, size - _LONGEST)).decode("utf-8", "replace")
    last = "".join(f": {line.strip()}" for line in text.strip().splitlines()[-1:])
    if status < 0:
        return f"it was killed by signal {-status}{last}"
    return f"it ended with status {status}{last}"
