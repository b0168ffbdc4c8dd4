r"""Show text that others wrote: no byte of it moves a terminal's cursor or hides what follows.

Control characters (ECMA-48: C0, DEL and C1), what turns the direction of writing (Unicode Standard
Annex 9) and what is no character at all stand as escapes, such as ``\x1b``. Lines and tabs stay.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BYTE = 0xFF


def visible(text: str) -> str:
    """Return a text with escapes in place of what cannot be seen."""
    return _UNSEEN.sub(_escape, text)


def cut(text: str, most: int) -> str:
    """Return a text of about ``most`` characters, and how many it had more."""
    left = len(text) - most
    return text if left <= 0 else f"{text[:most]}\N{HORIZONTAL ELLIPSIS} [{left:,} characters cut]"


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number <= _BYTE else f"\\u{number:04x}"
