"""Hooks that run on the host's side (config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

from runtime.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.commandline.entry import Entry
    from runtime.spec import Hook

_LONGEST = 4096


def run(hooks: Sequence[Hook], state: Mapping[str, Any]) -> None:
    """Run them one after the other, with the state on standard input.

    Raises:
        HookError: one cannot be run, fails, or takes longer than it may.
    """
    text = json.dumps(state).encode()
    for hook in hooks:
        _run(hook, text)


def of(entry: Entry, kind: str) -> Sequence[Hook]:
    """The hooks of a container that is there already.

    Args:
        entry: the container.
        kind: field of `runtime.spec.Hooks`.

    Raises:
        SpecError: its configuration cannot be read any more.
    """
    from runtime.commandline import preparing

    spec = preparing.load_copy(entry.config, entry.record.bundle)
    found: Sequence[Hook] = getattr(spec.hooks, kind)
    return found


def _run(hook: Hook, state: bytes) -> None:
    what = f"run the hook {hook.path}"
    # a file, not a pipe: whatever the hook leaves behind cannot hold us by it
    said = os.memfd_create("hook", os.MFD_CLOEXEC)
    try:
        process = subprocess.Popen(
            hook.args or (hook.path,),
            executable=hook.path,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            # none given: the runtime's own, as runc and crun have it
            env=dict(entry.partition("=")[::2] for entry in hook.env) if hook.env else None,
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
        if process.returncode:
            raise HookError(what, _failure(process.returncode, said))
    except OSError as error:
        raise HookError(what, error.strerror or str(error), error.errno or 0) from error
    finally:
        os.close(said)


def _failure(status: int, said: int) -> str:
    size = os.fstat(said).st_size
    text = os.pread(said, _LONGEST, max(0, size - _LONGEST)).decode("utf-8", "replace")
    last = "".join(f": {line.strip()}" for line in text.strip().splitlines()[-1:])
    if status < 0:
        return f"it was killed by signal {-status}{last}"
    return f"it ended with status {status}{last}"
