"""Read TOML files, and tell the line of a wrong key or value, for who has to mend it."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_AT = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_KEY = re.compile(r"\w+")
_LONGEST = 1_000_000
"""Bytes: a campaign's are a thousand."""
# More names with dots between than any key has: tomllib takes the square of their number in time.
_TOO_DEEP = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){40}""")
_OF_KEY = re.compile(r"(.*) - at `\$\.?(.*)`", re.DOTALL)
_MISSING = re.compile("Object missing required field `(.*)`")
_TYPES = re.compile(r"Expected `(\w+)`, got `(\w+)`")
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
    "date": "a date",
}
_QUOTED = re.compile(r"'([^']+)'")


def read(path: Path, kind: str, refuse: Callable[[str], Exception]) -> tuple[str, dict[str, Any]]:
    """Return a file's text and what it holds.

    Args:
        path: The file.
        kind: What it should be, for sentences.
        refuse: Makes the error of a sentence that says why the file cannot be used.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST + 1)
        if len(data) > _LONGEST:
            raise refuse(f"{path}: it is longer than any {kind}: more than {_LONGEST:,} bytes")
        text = data.decode("utf-8").replace("\r\n", "\n")
        if found := _TOO_DEEP.search(text):
            number = text.count("\n", 0, found.start()) + 1
            raise refuse(f"{path}:{number}: it is nested too deeply for a {kind}")
        return text, tomllib.loads(text)
    except OSError as error:
        raise refuse(f"cannot read the {kind} {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise refuse(f"{path} is not TOML: it is not UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise refuse(of_syntax(path, text, error)) from error
    except RecursionError as error:
        raise refuse(f"{path}: it is nested too deeply for a {kind}") from error
    except ValueError as error:
        raise refuse(f"cannot read the {kind} {str(path)!r}: {error}") from error


def of_key(path: Path, text: str, key: str) -> str:
    """Return ``path:line`` of a key or table, or ``path`` where the file does not have it."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), start=1):
        if begins.match(line):
            return f"{path}:{number}"
    return str(path)


def of_message(path: Path, text: str, message: str) -> str:
    """Return ``path:line`` of the name or key that a message is about, else ``path``.

    That is a name in single quotes that the file gives as a value, or else the key with which the
    message begins.
    """
    for name in _QUOTED.findall(message):
        for number, line in enumerate(text.splitlines(), start=1):
            value = line.partition("#")[0]
            if f'"{name}"' in value or f"'{name}'" in value:
                return f"{path}:{number}"
    begins = _KEY.match(message)
    return of_key(path, text, begins[0]) if begins else str(path)


def plain(message: str) -> str:
    """Return a message of msgspec in words, the key before the sentence."""
    found = _OF_KEY.fullmatch(message)
    said, key = (found[1], found[2]) if found else (message, "")
    if missing := _MISSING.fullmatch(said):
        said = f"the key {missing[1]!r} is missing"
    elif types := _TYPES.fullmatch(said):
        wanted, got = types.groups()
        found_is = "one with a point" if (wanted, got) == ("int", "float") else _WORDS.get(got, got)
        said = f"must be {_WORDS.get(wanted, wanted)}, not {found_is}"
    return f"{key}: {said}" if key else said


def of_syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """Say that a file is not TOML, and in which line its syntax is wrong."""
    message = str(error)
    found = _AT.fullmatch(message)
    if found is None:
        return f"{path} is not TOML: {message}"
    number = found[2] or len(text.splitlines())
    return f"{path}:{number}: this is not TOML: {found[1]}"
