"""Write commands as words of the guest's shell, whatever their arguments hold."""

import re
from collections.abc import Mapping, Sequence

from vmdriver.errors import ConfigError

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the guest looks for programs of the image unless it is told otherwise."""

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRINTABLE = range(0x20, 0x7F)


def quote(word: str) -> str:
    """One shell word on one line, whatever it holds. Raises ConfigError for a NUL byte."""
    if "\0" in word:
        raise ConfigError(f"an argument cannot hold a NUL byte: {word!r}")
    if _PLAIN.fullmatch(word):
        return word
    data = word.encode("utf-8", "surrogateescape")
    if all(byte in _PRINTABLE for byte in data):
        return "'" + word.replace("'", "'\\''") + "'"
    special = b"'\\"
    escaped = "".join(
        chr(byte) if byte in _PRINTABLE and byte not in special else f"\\{byte:03o}"
        for byte in data
    )
    return f"$'{escaped}'"


def words(arguments: Sequence[str], environment: Mapping[str, str], directory: str) -> str:
    """The shell words that become the command; see ``guest/agent.sh``.

    Raises:
        ConfigError: no arguments, a NUL byte, or a variable's name the shell cannot export.
    """
    if not arguments:
        raise ConfigError("there is no command to run")
    parts = [f"cd {quote(directory)} || exit 127"]
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name):
            raise ConfigError(f"{name!r} cannot name an environment variable in the guest")
        parts.append(f"export {name}={quote(value)}")
    parts.append(f"find_program {quote(arguments[0])}")
    rest = " ".join(quote(argument) for argument in arguments[1:])
    # A session of its own, so that a kill reaches everything the command started.
    parts.append(f'exec setsid "$program" {rest}'.rstrip())
    return "; ".join(parts)
