"""The command line: global options, a verb, its options, operands; parsed by getopt(3)'s rules.

Nothing after the first operand is an option, so that `exec ID sh -c ...` passes on what is the
program's.
"""

from __future__ import annotations

import getopt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runtime.errors import ContainerError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Options that take a value end with "="; single letters stand for the option of the same line.
GLOBAL = {
    "root=": "", "log=": "", "log-format=": "", "log-level=": "", "debug": "",
    "systemd-cgroup": "s", "cgroup-manager=": "", "rootless=": "", "criu=": "", "version": "v",
    "help": "h",
}  # fmt: skip
_CREATE = {
    "bundle=": "b", "config=": "f", "console-socket=": "", "pidfd-socket=": "", "pid-file=": "",
    "no-pivot": "", "no-new-keyring": "", "no-subreaper": "", "preserve-fds=": "", "detach": "d",
}  # fmt: skip
_CHECKPOINT = dict.fromkeys(
    (
        "image-path=", "work-path=", "parent-path=", "leave-running", "tcp-established",
        "ext-unix-sk", "shell-job", "file-locks", "pre-dump", "lazy-pages", "page-server=",
        "manage-cgroups-mode=", "empty-ns=", "status-fd=", "auto-dedup",
    ),
    "",
)  # fmt: skip
VERBS: dict[str, dict[str, str]] = {
    "create": _CREATE,
    "run": {**_CREATE, "keep": ""},
    "start": {},
    "state": {},
    "kill": {"all": "a", "regex": "r"},
    "delete": {"force": "f", "regex": "r"},
    "exec": {
        "console-socket=": "", "pidfd-socket=": "", "cwd=": "", "env=": "e", "tty": "t",
        "user=": "u", "additional-gids=": "g", "process=": "p", "detach": "d", "pid-file=": "",
        "process-label=": "", "apparmor=": "", "no-new-privs": "", "cap=": "c",
        "preserve-fds=": "", "cgroup=": "", "ignore-paused": "",
    },
    "list": {"format=": "f", "quiet": "q"},
    "ps": {"format=": "f"},
    "pause": {},
    "resume": {},
    "update": {
        "resources=": "r", "blkio-weight=": "", "cpu-period=": "", "cpu-quota=": "",
        "cpu-burst=": "", "cpu-share=": "", "cpu-idle=": "", "cpu-rt-period=": "",
        "cpu-rt-runtime=": "", "cpuset-cpus=": "", "cpuset-mems=": "", "kernel-memory=": "",
        "kernel-memory-tcp=": "", "memory=": "", "memory-reservation=": "", "memory-swap=": "",
        "pids-limit=": "", "l3-cache-schema=": "", "mem-bw-schema=": "",
    },
    "events": {"stats": "", "interval=": ""},
    "features": {},
    "spec": {"bundle=": "b", "rootless": "", "file=": "f"},
    "checkpoint": _CHECKPOINT,
    "restore": {**_CREATE, **_CHECKPOINT},
}  # fmt: skip
#: Options that add up instead of the last one winning.
REPEATED = ("env", "cap", "additional-gids")
_ALL_OPERANDS = ("exec", "ps")
#: How many operands a verb takes, at least and at most.
OPERANDS = {
    "list": (0, 0), "features": (0, 0), "spec": (0, 0), "exec": (1, 1 << 30), "ps": (1, 1 << 30),
    "kill": (1, 2),
}  # fmt: skip


class UsageError(ContainerError):
    """The command line is wrong."""


@dataclass
class Options:
    """Options by their long names; those without a value hold "true"."""

    single: dict[str, str] = field(default_factory=dict)
    repeated: dict[str, list[str]] = field(default_factory=dict)

    def get(self, name: str) -> str | None:
        """Value of an option, None where it was not given."""
        return self.single.get(name)

    def has(self, name: str) -> bool:
        """Whether a switch was given, and not as "--NAME=false"."""
        return self.single.get(name, "false").lower() not in ("false", "0")

    def all(self, name: str) -> list[str]:
        """Values of an option that may be repeated."""
        return self.repeated.get(name, [])

    def number(self, name: str, default: int | None = None) -> int | None:
        """A whole number.

        Raises:
            UsageError: it is none.
        """
        value = self.single.get(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            raise UsageError(f"--{name} {value!r} is not a whole number") from None


@dataclass
class Command:
    """A parsed command line; `verb` is "" where only a global option was given."""

    verb: str
    common: Options
    options: Options
    operands: list[str]


def parse(arguments: Sequence[str]) -> Command:
    """Take a command line apart.

    Raises:
        UsageError: an option or verb is unknown, or the number of operands is wrong.
    """
    common, rest = _options(arguments, GLOBAL, "")
    if not rest or common.has("help") or common.has("version"):
        return Command("", common, Options(), list(rest))
    verb, *rest = rest
    if verb not in VERBS:
        raise UsageError(f"there is no verb {verb!r}; there are {', '.join(VERBS)}")
    options, operands = _options(rest, {**VERBS[verb], "help": "h"}, verb)
    if not options.has("help"):
        least, most = OPERANDS.get(verb, (1, 1))
        if not least <= len(operands) <= most:
            wanted = "no operand" if most == 0 else "the name of one container"
            raise UsageError(f"{verb} takes {wanted}; see {verb} --help")
    return Command(verb, common, options, operands)


def _options(
    arguments: Sequence[str], known: dict[str, str], verb: str
) -> tuple[Options, list[str]]:
    letters = {short: name for name, short in known.items() if short}
    short = "".join(f"{short}:" if name.endswith("=") else short for short, name in letters.items())
    # go-runc writes one option with a single dash, and switches may come as --NAME=true
    given = [f"-{word}" if word == "-no-subreaper" else word for word in arguments]
    given = _without_booleans(given, known)
    try:
        found, rest = getopt.getopt(given, short, list(known))
    except getopt.GetoptError as error:
        raise UsageError(f"{verb or 'the command line'}: {error.msg}") from None
    options = Options()
    for option, value in found:
        name = option.lstrip("-")
        name = letters[name].rstrip("=") if len(name) == 1 else name
        if f"{name}=" not in known:
            value = "true"  # noqa: PLW2901  # a switch
        if name in REPEATED:
            options.repeated.setdefault(name, []).append(value)
        else:
            options.single[name] = value
    return options, rest


def _without_booleans(arguments: list[str], known: dict[str, str]) -> list[str]:
    """--tty=true as --tty, and --tty=false as nothing, up to the first operand."""
    found: list[str] = []
    for position, word in enumerate(arguments):
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            before = arguments[position - 1] if position else ""
            if f"{before[2:]}=" not in known and before[1:] not in known.values():
                return found + arguments[position:]
        if word.startswith("--") and equals and name[2:] in known:
            if value.lower() in ("true", "1"):
                found.append(name)
            continue
        found.append(word)
    return found
