"""The command line: global options, a verb, its options, operands.

Options come before the operands or after them (`update ID --memory 1G`), as in runc's; but for
verbs that pass words on, such as `exec ID sh -c ...`, nothing after the first operand is one. A
value follows after a blank or "="; long names may have one dash, as Go's programs write them;
single letters can stand together.
"""

from __future__ import annotations

from runtime.cli.table import GLOBAL, OPERANDS, PASS_ON, REPEATED, VERBS
from runtime.errors import ContainerError

TYPE_CHECKING = False  # typing itself would cost a twentieth of a command's time
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_TRUE, _FALSE = ("true", "1", "t"), ("false", "0", "f")


class UsageError(ContainerError):
    """The command line is wrong."""


class Options:
    """Options by their long names.

    Attributes:
        single: the last value of each; switches hold "true" or "false".
        repeated: all values of those that add up.
    """

    def __init__(self, single: Mapping[str, str] | None = None) -> None:
        self.single = dict(single or {})
        self.repeated: dict[str, list[str]] = {}

    def get(self, name: str) -> str | None:
        """Value of an option, None where it was not given."""
        return self.single.get(name)

    def has(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.single.get(name) == "true"

    def all(self, name: str) -> list[str]:
        """Values of an option that may be repeated."""
        return self.repeated.get(name, [])

    def number(self, name: str) -> int | None:
        """A whole number; None where it was not given.

        Raises:
            UsageError: it is none.
        """
        value = self.single.get(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise UsageError(f"--{name} {value!r} is not a whole number")
        return int(value)

    def count(self, name: str, most: int) -> int:
        """A number from 0 on; 0 where it was not given.

        Raises:
            UsageError: it is none, or above `most`.
        """
        value = self.number(name) or 0
        if not 0 <= value <= most:
            raise UsageError(f"--{name} {value} is outside 0 to {most}")
        return value


class Command:
    """A parsed command line.

    Attributes:
        verb: "" where none was given.
        common: the global options.
        options: those of the verb.
        operands: what came after them.
    """

    def __init__(self, verb: str, common: Options, options: Options, operands: list[str]) -> None:
        self.verb = verb
        self.common = common
        self.options = options
        self.operands = operands


def parse(arguments: Sequence[str]) -> Command:
    """Take a command line apart.

    Raises:
        UsageError: an option or verb is unknown, or the number of operands is wrong.
    """
    common, rest = take(arguments, GLOBAL)
    if not rest or common.has("help") or common.has("version"):
        return Command("", common, Options(), rest)
    verb, *rest = rest
    if verb not in VERBS:
        raise UsageError(f"there is no verb {verb[:40]!r}; there are {', '.join(VERBS)}")
    try:
        options, operands = take(rest, VERBS[verb], anywhere=verb not in PASS_ON)
    except UsageError as error:
        raise UsageError(f"{verb}: {error}; see {verb} --help") from None
    if not options.has("help"):
        least, most, wanted = OPERANDS.get(verb, (1, 1, "the name of one container"))
        if not least <= len(operands) <= most:
            raise UsageError(f"{verb} takes {wanted}; see {verb} --help")
    return Command(verb, common, options, operands)


def take(
    arguments: Sequence[str], known: Mapping[str, str], *, anywhere: bool = False
) -> tuple[Options, list[str]]:
    """The options at the beginning, and what comes after them.

    Args:
        arguments: words.
        known: long name, with "=" where it takes a value, to a letter or "".
        anywhere: options may follow other words, up to "--".

    Raises:
        UsageError: one is unknown, lacks its value, or has one that it does not take.
    """
    options = Options()
    left, others = list(arguments), []
    while left and (anywhere or _is_option(left[0])):
        word = left.pop(0)
        if word == "--":
            break
        if not _is_option(word):
            others.append(word)
            continue
        for name, value in _expand(word, known):
            if f"{name}=" in known:
                if value is None:
                    if not left:
                        raise UsageError(f"--{name} needs a value")
                    value = left.pop(0)  # noqa: PLW2901  # the next word
                if name in REPEATED:
                    options.repeated.setdefault(name, []).append(value)
                else:
                    options.single[name] = value
            else:
                options.single[name] = _switch(name, value)
    return options, others + left


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _expand(word: str, known: Mapping[str, str]) -> list[tuple[str, str | None]]:
    """Long names and values that stand in one word."""
    name, equals, text = word.lstrip("-").partition("=")
    if (name in known or f"{name}=" in known) and (len(name) > 1):
        return [(name, text if equals else None)]
    if word.startswith("--"):
        raise UsageError(f"there is no option {word.partition('=')[0][:40]!r}")
    letters = {letter: name for name, letter in known.items() if letter}
    found: list[tuple[str, str | None]] = []
    rest = word[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        if letter not in letters:
            raise UsageError(f"there is no option {word[:40]!r}")
        name = letters[letter]
        if name.endswith("="):
            # what is left of the word is the value, if anything is
            found.append((name[:-1], rest.removeprefix("=") if rest else None))
            break
        value = rest[1:] if rest.startswith("=") else None
        found.append((name, value))
        if value is not None:
            break
    return found


def _switch(name: str, value: str | None) -> str:
    if value is None or value.lower() in _TRUE:
        return "true"
    if value.lower() in _FALSE:
        return "false"
    raise UsageError(f"--{name} is a switch; {value[:40]!r} is neither true nor false")
