"""Strings that the kernel can take: no NUL byte, encodable, and lists of numbers."""

from __future__ import annotations

from runtime.errors import SpecError
from runtime.spec.hints import short

#: More digits than any CPU or memory node has.
_DIGITS = 6


def check_text(path: str, text: str) -> None:
    """Refuse what cannot be an argument of a system call.

    Raises:
        SpecError: naming `path`.
    """
    if "\0" in text:
        raise SpecError(path, "holds a NUL byte")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise SpecError(path, f"{short(text)} cannot be written as UTF-8") from None


def check_absolute(path: str, text: str) -> None:
    """Refuse a path that does not begin at the root.

    Raises:
        SpecError: naming `path`.
    """
    check_text(path, text)
    if not text.startswith("/"):
        raise SpecError(path, f"{short(text)} must be absolute")


def check_list(path: str, text: str) -> None:
    """Refuse what is no list of numbers as in cpuset(7), "List format": "0-3,7".

    Raises:
        SpecError: naming `path`.
    """
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last) if dash else (first,)
        if not all(end.isascii() and end.isdigit() and len(end) <= _DIGITS for end in ends):
            raise SpecError(path, f"{short(text)} is no list of numbers such as '0-3,7'")
        if dash and int(first) > int(last):
            raise SpecError(path, f"the range {part.strip()!r} is the wrong way round")
