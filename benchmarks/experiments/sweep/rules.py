"""The rules by which the sweep's readings become verdicts, in the order of ``docs/probes.md``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.experiments.probes.model import Verdict
from benchmarks.experiments.probes.rules import (
    MISSING,
    REFUSED,
    SANDWICHED,
    SURE,
    agreement,
    blanked,
    under_a_mask,
)
from benchmarks.experiments.sweep.model import FileFinding, Trait

if TYPE_CHECKING:
    from benchmarks.experiments.sweep.model import Quartet, Response, Sweep

_SHOWN = 48
_OF_THE_READER = "/proc/net/"
"""The kernel shows every reader its own network namespace there (proc_pid_net(5))."""


class _File(NamedTuple):
    path: str
    host: tuple[str, str]
    sandbox: tuple[str, str]
    again: tuple[Quartet, ...]
    third: str | None
    own_kernel: bool
    masked: bool
    responses: tuple[Response, ...]


def judge(sweep: Sweep, third: Sweep | None = None) -> list[FileFinding]:
    """Give every file a verdict.

    Args:
        sweep: What was read.
        third: The sweep of a sandbox on an unrelated kernel; None where there is none.
    """
    if sweep.error is not None:
        return [
            FileFinding(path=path, verdict=None, evidence="", error=sweep.error)
            for path in sweep.paths
        ]
    unrelated = {} if third is None or sweep.own_kernel else _readings(third)
    found = []
    for row in zip(sweep.paths, *sweep.host, *sweep.sandbox, strict=True):
        path, *lines = row
        one = _File(
            path,
            (lines[0], lines[1]),
            (lines[2], lines[3]),
            sweep.again.get(path, ()),
            unrelated.get(path),
            sweep.own_kernel,
            under_a_mask(path, sweep.masks),
            sweep.responses.get(path, ()),
        )
        found.append(_with_traits(_decide(one), one, sweep))
    return found


def _readings(third: Sweep) -> dict[str, str]:
    if third.error is not None or not third.own_kernel:
        return {}
    return dict(zip(third.paths, third.sandbox[0], strict=True))


def _decide(file: _File) -> FileFinding:
    texts = [line[1:] for line in file.sandbox if line.startswith("T")]
    if not texts:
        return _refused(file)
    return _answered(file) or _hidden(file, texts) or _compared(file, texts)


def _hidden(file: _File, texts: list[str]) -> FileFinding | None:
    """Judge a file that opens and holds nothing, or nothing but zeros."""
    host = [line[1:] for line in file.host]
    if not any(host) and not any(texts):
        return _is(file, Verdict.ABSENT, "empty on both sides")
    if not any(texts):
        return _emptied(file)
    if texts[0] not in host and blanked(host[0], texts[0]):
        return _is(file, Verdict.MASKED, "its numbers are blanked out")
    return None


def _compared(file: _File, texts: list[str]) -> FileFinding:
    if file.again:
        return _changing(file)
    if len({*texts, *(line[1:] for line in file.host)}) == 1:
        return _unchanging(file)
    return _is(file, Verdict.NAMESPACED, "unchanging, and not the host's")


def _emptied(file: _File) -> FileFinding:
    if file.own_kernel:
        return _is(file, Verdict.ABSENT, "empty")
    if file.path.startswith(_OF_THE_READER):
        return _is(file, Verdict.NAMESPACED, "the reader's own network namespace has none")
    return _is(file, Verdict.MASKED, "empty")


def _refused(file: _File) -> FileFinding:
    line = file.sandbox[0]
    errno = line[1:]
    if line.startswith("N"):
        return _is(file, Verdict.MASKED, "/dev/null lies over it")
    if line.startswith("E") and errno in REFUSED:
        return _is(file, Verdict.DENIED)
    if line.startswith("E") and (errno in MISSING or file.own_kernel):
        return _is(file, Verdict.MASKED if file.masked else Verdict.ABSENT)
    why = errno if line.startswith("X") else f"{errno}, which says neither yes nor no"
    return FileFinding(path=file.path, verdict=None, evidence="", error=f"the sandbox: {why}")


def _answered(file: _File) -> FileFinding | None:
    """Decide by the stimulus where the host's file answered to one; it is the strongest sign."""
    moved = [one for one in file.responses if one.follows]
    if moved:
        acts = ", ".join(one.act for one in moved)
        note = f"follows what the host holds ({acts}): {moved[0].example}"
        return _is(file, Verdict.SHARED_LIVE, note)
    if file.responses and all(one.still for one in file.responses):
        note = f"stays still while the host's moves: {file.responses[0].example}"
        return _is(file, Verdict.NAMESPACED, note)
    return None


def _unchanging(file: _File) -> FileFinding:
    if file.own_kernel:
        return _is(file, Verdict.SHARED_CONSTANT, "equal on two kernels")
    if file.third is None or not file.third.startswith("T"):
        note = "equal; no unrelated kernel has this file to compare with"
        return _is(file, Verdict.SHARED_CONSTANT, note, unconfirmed=True)
    if file.third == file.host[0]:
        return _is(file, Verdict.SHARED_CONSTANT, "an unrelated kernel reads the same")
    note = f"equal; an unrelated kernel reads {_shown(file.third)}"
    return _is(file, Verdict.SHARED_LIVE, note)


def _changing(file: _File) -> FileFinding:
    """Apply the sandwich test to every quartet of readings; the majority decides."""
    agree = [_sandwiched(one, strict=file.own_kernel) for one in file.again]
    count = sum(agree)
    note = f"lies between the other side's before and after in {count} of {len(agree)} readings"
    live = 2 * count > len(agree) and not (file.own_kernel and count < len(agree))
    return _is(file, Verdict.SHARED_LIVE if live else Verdict.NAMESPACED, note)


def _sandwiched(lines: Quartet, *, strict: bool) -> bool:
    """Whether both sides read one thing: host, sandbox, host and sandbox, host, sandbox.

    Strict is for a kernel of its own: there a host that stands still shows nothing.
    """
    if not all(line.startswith("T") for line in lines):
        return False
    one, within, two, around = (line[1:] for line in lines)
    if one == within == two == around:
        return not strict
    if one == two and (strict or one not in {within, around}):
        return False
    shares = [
        agreement(one, within, two, strict=strict),
        agreement(within, two, around, strict=strict),
    ]
    told = [share for share in shares if share is not None]
    if not told:
        return not strict and within in {one, two}
    return min(told) >= (SURE if strict else SANDWICHED)


def _with_traits(found: FileFinding, file: _File, sweep: Sweep) -> FileFinding:
    if found.verdict is not Verdict.SHARED_LIVE:
        return found
    changes = bool(file.again or file.responses)
    influence = sweep.influence.get(file.path, ())
    traits = (
        *((Trait.UNIQUE,) if not changes else ()),
        *((Trait.VARYING,) if file.again else ()),
        *((Trait.CONTROLLABLE,) if influence else ()),
    )
    return FileFinding(
        path=found.path,
        verdict=found.verdict,
        evidence=found.evidence
        + (f"; the sandbox moves it by {', '.join(influence)}" if influence else ""),
        traits=traits,
        follows=tuple(one.act for one in file.responses if one.follows),
        bits=sweep.bits.get(file.path),
    )


def _is(file: _File, verdict: Verdict, note: str = "", *, unconfirmed: bool = False) -> FileFinding:
    host, sandbox = (_both(side) for side in (file.host, file.sandbox))
    evidence = f"host: {host}; sandbox: {sandbox}" + (f"; {note}" if note else "")
    return FileFinding(path=file.path, verdict=verdict, evidence=evidence, unconfirmed=unconfirmed)


def _both(side: tuple[str, str]) -> str:
    first, second = (_shown(line) for line in side)
    return first if side[0] == side[1] else f"{first}, then {second}"


def _shown(line: str) -> str:
    if not line.startswith("T"):
        return line[1:] or "nothing"
    text = re.sub(r"\s+", " ", line[1:]).strip() or "empty"
    if not text.isascii() or "\0" in text:
        return f"{len(line) - 1} bytes that are no text"
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
