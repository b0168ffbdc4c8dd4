"""Encodings of single fields for the executor (runtime/executor/wire.c).

Integers take 8 bytes in this machine's order; strings are length, bytes, NUL and padding to 8; a
tuple is its length and its entries, of which those that are tuples themselves have no length.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


def values(fields: Iterable[Any]) -> bytes:
    """Fields one after the other."""
    parts: list[bytes] = []
    for field in fields:
        append(parts, field)
    return b"".join(parts)


def append(parts: list[bytes], value: Any) -> None:
    """One field: an integer, a string or bytes, or a tuple of them."""
    if isinstance(value, int):
        parts.append(struct.pack("=q", value if value < 1 << 63 else value - (1 << 64)))
    elif isinstance(value, tuple):
        parts.append(struct.pack("=q", len(value)))
        for entry in value:
            if isinstance(entry, tuple):
                parts.append(values(entry))
            else:
                append(parts, entry)
    else:
        data = value if isinstance(value, bytes) else os.fsencode(value)
        parts.append(struct.pack("=q", len(data)) + data + b"\0" * (8 - len(data) % 8))
