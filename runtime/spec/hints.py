"""Words for errors about values that a user wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Collection

_SHOWN = 60


def short(value: Any) -> str:
    """The value as it is shown in an error, cut where it is long."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > _SHOWN * 3:
        return "a number of more than 54 digits"  # printing it may not even be allowed
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def nearest(value: str, known: Collection[str]) -> str | None:
    """The known word that `value` was likely meant to be."""
    import difflib  # only when something is wrong

    matches = difflib.get_close_matches(value, list(known), 1, 0.6)
    return matches[0] if matches else None


def unknown(path: str, value: str, what: str, known: Collection[str]) -> SpecError:
    """The error for a word outside a closed list: names the nearest, or all."""
    close = nearest(value, known)
    hint = f"did you mean {close!r}?" if close else f"there are {', '.join(known)}"
    return SpecError(path, f"{short(value)} is no {what}; {hint}")
