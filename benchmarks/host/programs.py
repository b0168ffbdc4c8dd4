"""What the host's programs say of their version; one that does not say is no reason to stop."""

import subprocess

LIMIT_S = 60.0
"""An interpreter's start takes ten seconds on a host whose CPU is emulated."""


def version(program: str) -> str | None:
    """Return the first line a program says of its version; None where it says none."""
    found = said(program)
    return None if found.startswith("unknown (") else found


def said(program: str) -> str:
    """Return the first line a program says of its version, or "unknown" and why."""
    try:
        done = subprocess.run(
            [program, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return f"unknown (it did not answer within {LIMIT_S:g} s)"
    except OSError as error:
        return f"unknown ({error.strerror or error})"
    line = (done.stdout.strip() or done.stderr.strip()).partition("\n")[0]
    if done.returncode != 0:
        return f"unknown ({line or f'it ended with {done.returncode}'})"
    return line or "unknown (it said nothing)"
