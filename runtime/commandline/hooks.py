"""Hooks that run on the host's side (config.md, "POSIX-platform Hooks")."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

from runtime.errors import SetupError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from runtime.spec import Hook


def run(hooks: Sequence[Hook], state: Mapping[str, Any]) -> None:
    """Run them one after the other, with the state on standard input.

    Raises:
        SetupError: one cannot be run, fails, or takes longer than it may.
    """
    text = json.dumps(state).encode()
    for hook in hooks:
        what = f"run the hook {hook.path}"
        try:
            done = subprocess.run(
                hook.args or (hook.path,),
                executable=hook.path,
                input=text,
                # none given: the runtime's own, as runc and crun have it
                env=dict(entry.partition("=")[::2] for entry in hook.env) if hook.env else None,
                capture_output=True,
                timeout=hook.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise SetupError(what, f"it did not end within {hook.timeout_s:g} s") from None
        except OSError as error:
            raise SetupError(what, error.strerror or str(error), error.errno or 0) from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise SetupError(
                what,
                f"it ended with status {done.returncode}" + "".join(f": {line}" for line in said),
            )
