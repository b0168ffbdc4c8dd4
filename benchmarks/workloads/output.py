"""Read what a tool wrote: named groups out of text, JSON Pointers (RFC 6901) out of JSON.

Whatever is not exactly as expected is a failed measurement whose sentence holds the end of the
output. Nothing is guessed, so that a torn or strange output never becomes a number.
"""

import math
import re
from collections.abc import Mapping

import msgspec

from benchmarks.errors import MeasurementError

_KEPT = 300
"""Characters of an output that are kept in a failure's sentence."""


def end(output: bytes | str) -> str:
    """Return the end of an output, for a sentence."""
    text = output.decode(errors="replace") if isinstance(output, bytes) else output
    return text.strip()[-_KEPT:]


def from_text(tool: str, pattern: str, text: str) -> Mapping[str, str]:
    """Search a text once.

    Args:
        tool: Name for the sentence.
        pattern: Regular expression; ``^`` and ``$`` match at lines.
        text: The whole output.

    Returns:
        Its named groups, those without a match left out.

    Raises:
        MeasurementError: The pattern is not in the text.
    """
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        raise MeasurementError(f"the output of {tool} has no result: {end(text)!r}")
    return {name: value for name, value in match.groupdict().items() if value is not None}


def from_json(tool: str, pointers: Mapping[str, str], text: str) -> Mapping[str, object]:
    """Follow several JSON Pointers into one document.

    Lines before the one that opens the document are notes of the tool and are passed over.

    Args:
        tool: Name for the sentence.
        pointers: Name to pointer, for example ``/jobs/0/read/iops``.
        text: The whole output.

    Returns:
        Name to what stands there.

    Raises:
        MeasurementError: The output is not JSON, or a pointer leads nowhere.
    """
    opening = re.search(r"^[\[{]", text, re.MULTILINE)
    try:
        document = msgspec.json.decode(text[opening.start() :] if opening else text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MeasurementError(f"the output of {tool} is not JSON: {end(text)!r}") from error
    found = {}
    for name, pointer in pointers.items():
        try:
            found[name] = _follow(document, pointer)
        except (LookupError, TypeError, ValueError) as error:
            raise MeasurementError(
                f"the output of {tool} has nothing at {pointer}: {end(text)!r}",
            ) from error
    return found


def number(tool: str, name: str, value: object) -> float:
    """Return a value as a number.

    Raises:
        MeasurementError: It is none, or not a finite one that is 0 or more.
    """
    try:
        usable = isinstance(value, int | float | str) and not isinstance(value, bool)
        found = float(value) if usable else math.nan  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        found = math.nan
    if math.isnan(found):
        raise MeasurementError(f"{tool} gives no number as {name}: {end(repr(value))}")
    if not math.isfinite(found) or found < 0:
        raise MeasurementError(f"{tool} gives an impossible {name}: {value}")
    return found


def _follow(document: object, pointer: str) -> object:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(document, dict):
            document = document[key]
        elif isinstance(document, list) and key.isdecimal():
            document = document[int(key)]
        else:
            raise LookupError(key)
    return document
