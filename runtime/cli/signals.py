"""Signals by number or name."""

from __future__ import annotations

import signal

from runtime.cli.options import UsageError


def number_of(word: str) -> int:
    """A signal by number or name, with or without SIG, in any case; 0 stands for none.

    Raises:
        UsageError: there is none.
    """
    known = signal.valid_signals()
    if word.isascii() and word.isdigit():
        if len(word) < 4 and (int(word) == 0 or int(word) in known):  # noqa: PLR2004  # digits
            return int(word)
        raise _unknown(word)
    name = word.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    first = {"RTMIN": int(signal.SIGRTMIN), "RTMAX": int(signal.SIGRTMAX)}.get(base)
    if first is not None:
        step = int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 4 else -1  # noqa: PLR2004
        number = first if not sign else first + step if sign == "+" else first - step
        if (not sign or step >= 0) and number in range(signal.SIGRTMIN, signal.SIGRTMAX + 1):
            return number
        raise _unknown(word)
    found = getattr(signal, f"SIG{name}", None)
    if isinstance(found, signal.Signals):
        return int(found)
    raise _unknown(word)


def _unknown(word: str) -> UsageError:
    return UsageError(f"{word[:40]!r} is no signal; give a number or a name such as TERM")
