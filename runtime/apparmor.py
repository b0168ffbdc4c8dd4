"""AppArmor: whether this kernel confines by it.

The profile itself is asked for in the last steps of a start, by the executor (process.c).
"""

from __future__ import annotations

from pathlib import Path

UNCONFINED = "unconfined"
_ENABLED = Path("/sys/module/apparmor/parameters/enabled")


def is_enabled(path: Path = _ENABLED) -> bool:
    """Whether AppArmor is there and on (as aa_is_enabled(2) looks)."""
    try:
        return path.read_text().startswith("Y")
    except OSError:
        return False
