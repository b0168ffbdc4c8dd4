"""Say of a name that there is none which one was probably meant, or where all are listed."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def hint(name: str, known: Collection[str], listed: str = "") -> str:
    """Return the end of a sentence that helps on.

    Args:
        name: What was given.
        known: Every name there is.
        listed: What `tare list` calls them; empty for names that it does not list.
    """
    near = find(name, known)
    if near is not None:
        return f"did you mean {near!r}?"
    if not listed:
        return f"known are {', '.join(known)}"
    return f"`tare list {listed}` shows those there are"


def find(name: str, known: Collection[str]) -> str | None:
    """Return the known name that is nearest, whatever its case; None where none is near."""
    lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1)
    return lower[near[0]] if near else None
