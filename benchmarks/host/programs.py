"""What the host's programs say of their version; one that does not say is no reason to stop."""

from __future__ import annotations

import subprocess

LIMIT_S = 60.0
"""An interpreter's start takes ten seconds on a host whose CPU is emulated."""


def version(program: str, limit_s: float = LIMIT_S) -> str:
    """Return the first line a program says of its version, or why it says none."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return f"unknown (it did not answer within {limit_s:g} s)"
    except OSError as error:
        return f"unknown ({error.strerror or error})"
    said = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
    if done.returncode != 0:
        return f"unknown ({said or f'it ended with {done.returncode}'})"
    return said or "unknown (it said nothing)"
