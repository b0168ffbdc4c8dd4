"""A strict reader of a config.json's JSON: everything that JSON leaves open is refused.

Stricter than most readers: a key given twice is an error, since whoever checked the file may have
looked at the other one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from runtime.errors import SpecError
from runtime.spec.hints import short
from runtime.spec.paths import member

#: How errors name the file as a whole, a part of it that was given alone too.
NAME = "config.json"
#: The format itself is nested seven deep. Far more would only exhaust whoever walks through it.
DEPTH = 100


class _Twice(dict[str, Any]):
    """An object with a key that was given twice."""

    key = ""


def decode(text: str | bytes | Mapping[str, Any]) -> dict[str, Any]:
    """The document as an object.

    Args:
        text: JSON, as bytes in UTF-8; or what it would be decoded to.

    Raises:
        SpecError: it is no JSON object, a key is given twice, or it is nested too deeply.
    """
    found = _loads(text) if isinstance(text, (str, bytes)) else text
    if not isinstance(found, Mapping):
        raise SpecError(NAME, f"must be an object, not {kind(found)}")
    document = dict(found)
    _check_depth(document)
    return document


def kind(value: Any) -> str:
    """What a value is, in the words of JSON."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {short(value)}"
    if isinstance(value, str):
        return f"the string {short(value)}"
    if isinstance(value, (list, tuple)):
        return "a list"
    return "an object" if isinstance(value, dict) else "something else"


def _loads(text: str | bytes) -> Any:
    twice: list[_Twice] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) == len(pairs):
            return made
        marked = _Twice(made)
        keys = [key for key, _ in pairs]
        marked.key = next(key for key in keys if keys.count(key) > 1)
        twice.append(marked)
        return marked

    try:
        if isinstance(text, bytes):
            text = text.decode()
        found = json.loads(
            text, object_pairs_hook=build, parse_constant=_refuse, parse_float=_float
        )
    except UnicodeDecodeError as error:
        raise SpecError(NAME, f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        reason = error.msg.removesuffix(" at").removesuffix(":")
        where = f"line {error.lineno}, column {error.colno}"
        raise SpecError(NAME, f"is not JSON in {where}: {reason}") from None
    except RecursionError:
        raise SpecError(NAME, f"is nested more than {DEPTH} deep") from None
    except ValueError:  # int() refuses more than 4300 digits
        raise SpecError(NAME, "holds a number that is too long to read") from None
    if twice:
        _check_depth(found)
        _name_twice(found)
    return found


def _refuse(word: str) -> NoReturn:
    raise SpecError(NAME, f"is not JSON: it holds {word}")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise SpecError(NAME, f"holds the number {text[:20]}, which is too large to read")
    return value


def _check_depth(document: Any) -> None:
    level = {id(document): document}
    for _ in range(DEPTH):
        level = {
            id(child): child
            for value in level.values()
            if isinstance(value, (dict, list, tuple))
            for child in (value.values() if isinstance(value, dict) else value)
        }
        if not level:
            return
    raise SpecError(NAME, f"is nested more than {DEPTH} deep")


def _name_twice(value: Any, path: str = "") -> None:
    if isinstance(value, _Twice):
        raise SpecError(member(path, value.key), "is given twice")
    if isinstance(value, dict):
        for key, child in value.items():
            _name_twice(child, member(path, key))
    elif isinstance(value, list):
        for number, child in enumerate(value):
            _name_twice(child, f"{path}[{number}]")
