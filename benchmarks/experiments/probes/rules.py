"""The rules by which readings become verdicts.

The order is that of Gao et al. (ContainerLeaks, DSN 2017): refused or emptied first, then equal
and unchanging, then changing with the host. A changing text counts as the host's when the numbers
in it lie between the host's readings just before and just after (the sandwich test).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.experiments.probes.model import Case, Judgement, Kind, UnreadableError, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.experiments.probes.model import Decide

SANDWICHED = 0.5
"""Share of telling numbers that must lie between the host's two readings."""
TELLING = 1000
"""Numbers from here up do not agree by chance between two kernels."""
LIMIT = 2**31
"""Unchanging numbers from here up are limits, such as the largest number of files ..."""
ROUND = 1000
"""... and so are unchanging round ones, such as the quota of keys."""
SURE = 0.9
"""Share that must agree before another kernel is said to show the host's numbers."""
STRAY = 0.05
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ADDRESS = re.compile(r"\b[0-9a-f]{4,16}\b")
REFUSED = frozenset({"EACCES", "EPERM"})
"""Errors by which a kernel refuses."""
MISSING = frozenset({"ENOENT", "ENOTDIR", "ENXIO", "ENODEV", "EOPNOTSUPP", "ENOSYS"})
"""Errors that mean there is no such thing. Any other error says nothing: the probe errs."""
_SHOWN = 60
_PLACE = 4
"""Field of a mount point in a line of mountinfo, from 0 (proc_pid_mountinfo(5))."""


def refusal(case: Case, index: int = 0) -> Judgement | None:
    """Judge what was not to be had: denied, absent, or masked by /dev/null or emptiness.

    Raises:
        UnreadableError: One side was answered an error that says neither yes nor no.
    """
    host, sandbox = case.get("before", index), case.get("sandbox", index)
    for side, reading in (("host", host), ("sandbox", sandbox)):
        if reading.get("errno", "ENOENT") not in REFUSED | MISSING:
            why = f"the {side} was answered {reading['errno']}, which says neither yes nor no"
            raise UnreadableError(why)
    errno = sandbox.get("errno")
    if errno in REFUSED:
        return judged(Verdict.DENIED, host, sandbox)
    if errno in MISSING:
        path = "".join(case.probe.wants[index][2:3])
        hidden = under_a_mask(path, _masks(case))
        return judged(Verdict.MASKED if hidden else Verdict.ABSENT, host, sandbox)
    if content(host) and not content(sandbox):
        return judged(Verdict.ABSENT if case.own_kernel else Verdict.MASKED, host, sandbox)
    if sandbox.get("null") and not host.get("null"):
        return judged(Verdict.MASKED, host, sandbox)
    return None


def _masks(case: Case) -> dict[str, str]:
    """Return what the sandbox has mounted below /proc and /sys: path to file system type."""
    found = {}
    for line in case.sandbox.get("/proc/self/mountinfo", {}).get("text", "").splitlines():
        left, _, right = line.partition(" - ")
        words = left.split(" ")
        if len(words) > _PLACE and words[_PLACE].startswith(("/proc/", "/sys/")):
            found[words[_PLACE]] = right.partition(" ")[0]
    return found


def under_a_mask(path: str, mounts: Mapping[str, str]) -> bool:
    """Whether the nearest mount above a path is an empty tmpfs, as runtimes put over folders."""
    above = [place for place in mounts if path.startswith(f"{place}/")]
    return bool(above) and mounts[max(above, key=len)] == "tmpfs"


def content(reading: dict[str, Any]) -> Any:
    """Return what was read, whatever the reader; empty or None where there was nothing."""
    for key in (
        "text",
        "names",
        "processes",
        "descriptors",
        "devices",
        "opened",
        "addresses",
        "variables",
    ):
        if key in reading:
            return reading[key]
    return None


def readable(case: Case) -> Judgement:
    """Judge a file or directory by comparing what each side reads of it."""
    if found := refusal(case):
        return found
    before, sandbox, after = (case.get(side) for side in ("before", "sandbox", "after"))
    if "errno" in before:
        # The sandbox reads what the host lacks: its own. What the host was refused is unknown.
        if case.own_kernel or before["errno"] in MISSING:
            return judged(Verdict.NAMESPACED, before, sandbox)
        why = f"the host itself is refused it ({before['errno']}), so there is nothing to compare"
        raise UnreadableError(why)
    if "errno" in after:
        raise UnreadableError(f"the host read it once, and then was answered {after['errno']}")
    return _compared(case, before, sandbox, after)


def _compared(
    case: Case, before: dict[str, Any], sandbox: dict[str, Any], after: dict[str, Any]
) -> Judgement:
    if not content(before) and not content(sandbox):
        return judged(Verdict.ABSENT, before, sandbox, "empty on both sides")
    if content(before) == content(after) == content(sandbox):
        return unchanging(case)
    if blanked(str(content(before)), str(content(sandbox))):
        return judged(Verdict.MASKED, before, sandbox, "its numbers are blanked out")
    # Activity is never constant: where the host stood still, the agent itself may have moved it.
    if content(before) != content(after) or case.probe.kind is Kind.ACTIVITY:
        return _changing(case)
    return judged(Verdict.NAMESPACED, before, sandbox)


def unchanging(case: Case) -> Judgement:
    """Judge what is equal on both sides and did not change: whose is it?"""
    before, sandbox = case.get("before"), case.get("sandbox")
    third = None if case.third is None else case.get("third")
    if case.own_kernel:
        return judged(Verdict.SHARED_CONSTANT, before, sandbox, "equal on two kernels")
    if third is None:
        # What belongs to one host by its nature needs no third kernel to be recognised.
        if case.probe.kind is not Kind.CONSTANT:
            return judged(Verdict.SHARED_LIVE, before, sandbox, "equal, and the host's alone")
        note = "equal; no unrelated kernel to compare with"
        return judged(Verdict.SHARED_CONSTANT, before, sandbox, note)
    if content(third) == content(before):
        return judged(
            Verdict.SHARED_CONSTANT, before, sandbox, "an unrelated kernel reads the same"
        )
    note = f"equal; an unrelated kernel reads {shown(third)}"
    return judged(Verdict.SHARED_LIVE, before, sandbox, note)


def _changing(case: Case) -> Judgement:
    before, sandbox, after = (case.get(side) for side in ("before", "sandbox", "after"))
    texts = [str(content(side)) for side in (before, sandbox, after)]
    share = agreement(*texts, strict=case.own_kernel)
    if share is None:
        equal = not case.own_kernel and content(sandbox) in (content(before), content(after))
        verdict = Verdict.SHARED_LIVE if equal else Verdict.NAMESPACED
        return judged(verdict, before, sandbox, "changes on the host")
    note = f"{share:.0%} of its numbers lie between the host's before and after"
    enough = SURE if case.own_kernel else SANDWICHED
    verdict = Verdict.SHARED_LIVE if share >= enough else Verdict.NAMESPACED
    return judged(verdict, before, sandbox, note)


def agreement(before: str, sandbox: str, after: str, *, strict: bool = False) -> float | None:
    """Return the share of telling numbers of a text that lie between two readings of the host.

    Telling are numbers that changed on the host, and numbers too large to agree by chance that
    are no limit every kernel has. Since many are gauges and not counters, and the agent itself
    uses memory meanwhile, each may stray by its own change or by a twentieth. Readings whose
    numbers do not correspond one to one are compared as far as the shortest goes; strictly, only
    in lines that say the same but for their numbers.

    Args:
        before: The host's text before.
        sandbox: The sandbox's text.
        after: The host's text after.
        strict: Leave out what another kernel meets by chance: small numbers even if they changed,
            and rows of which the host's readings differ by more than the number itself. Lists
            whose entries come and go, such as pending timers, pair one entry with another, and
            between two entries lies almost anything.

    Returns:
        0 to 1; None where the texts hold no number that tells.
    """
    inside, rows = 0, 0
    for one, found, two in _rows(before, sandbox, after, strict=strict):
        low, high = min(one, two), max(one, two)
        limit = low >= LIMIT or low % ROUND == 0
        telling = low >= TELLING and (low != high or not limit)
        if strict and (not telling or high > 2 * low):
            continue
        if not telling and low == high:
            continue
        rows += 1
        slack = max(high - low, STRAY * high)
        inside += low - slack <= found <= high + slack
    return inside / rows if rows else None


def _rows(*texts: str, strict: bool) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of texts that stand at the same place; strictly, in like lines alone."""
    parts = list(zip(*(text.splitlines() for text in texts), strict=False)) if strict else [texts]
    like = [part for part in parts if not strict or len({_shape(text) for text in part}) == 1]
    if 2 * len(like) < len(parts):
        return  # lists of other things: a few lines that are alike by chance tell nothing
    for part in like:
        numbers = ([float(n) for n in _NUMBER.findall(text)] for text in part)
        yield from zip(*numbers, strict=False)


def _shape(line: str) -> str:
    """A line without what its numbers say: their digits, and the spaces that make up for them."""
    return " ".join(_NUMBER.sub("0", line).split())


def blanked(host: str, sandbox: str) -> bool:
    """Tell whether the kernel shows the host's text with every address as zero (kptr_restrict)."""
    addresses = _ADDRESS.findall(sandbox)
    if not addresses or any(int(address, 16) for address in addresses):
        return False
    one, two = (_ADDRESS.sub("0", text).splitlines() for text in (host, sandbox))
    # Both were cut at the same number of bytes, so the last line may be half a line.
    whole = max(1, min(len(one), len(two)) - 1)
    return one[:whole] == two[:whole]


def marked(name: str) -> Decide:
    """Make a rule: the sandbox sees the host's object exactly if the planted mark is in sight."""

    def decide(case: Case) -> Judgement:
        mark = case.markers.get(name)
        if mark is None:
            raise UnreadableError(f"the host could not plant its {name}")
        host, sandbox = case.get("before"), case.get("sandbox")
        # The control of the control: a mark the host itself does not see proves nothing.
        if mark not in str(content(host)):
            raise UnreadableError(f"the host does not see its own {name} {mark}")
        if mark in str(content(sandbox)):
            return Judgement(Verdict.SHARED_LIVE, f"the host's {name} {mark} is in sight")
        if sandbox.get("errno") in MISSING:
            return Judgement(Verdict.ABSENT, f"{sandbox['errno']}: no list to look in")
        if sandbox.get("errno") in REFUSED:
            return Judgement(Verdict.DENIED, f"{sandbox['errno']}")
        if "errno" in sandbox:
            raise UnreadableError(f"the sandbox was answered {sandbox['errno']}")
        if sandbox.get("null"):
            return Judgement(Verdict.MASKED, f"the host's {name} is behind a mask")
        return Judgement(Verdict.NAMESPACED, f"the host's {name} {mark} is not in sight")

    return decide


def same(case: Case, index: int = 0) -> bool:
    """Whether host and sandbox read the same link, such as that of a namespace.

    Raises:
        UnreadableError: One of them could not read it; two that failed are not equal.
    """
    host, sandbox = (case.get(side, index) for side in ("before", "sandbox"))
    for side, reading in (("host", host), ("sandbox", sandbox)):
        if not content(reading):
            what = f"{case.probe.wants[index][0]}: {shown(reading)}"
            raise UnreadableError(f"the {side} could not read {what}")
    return bool(content(host) == content(sandbox))


def same_namespace(case: Case) -> Judgement:
    """Judge a namespace by its inode; the first ones have equal numbers on every kernel."""
    host, sandbox = case.get("before"), case.get("sandbox")
    if found := refusal(case):
        return found
    if case.own_kernel:
        return judged(Verdict.NAMESPACED, host, sandbox, "of another kernel")
    equal = same(case)
    return judged(Verdict.SHARED_LIVE if equal else Verdict.NAMESPACED, host, sandbox)


def writable(case: Case) -> Judgement:
    """Judge files that opening for writing would give power over the host's kernel."""
    opened, unclear, refused, missing = [], [], set(), 0
    for want in case.probe.wants:
        found = case.sandbox.get(want[0])
        if found is None or "error" in found:
            why = "missing" if found is None else found["error"]
            raise UnreadableError(f"trying {want[2]} broke: {why}")
        errno = found.get("errno")
        if errno is None:
            opened.append(want[2])
        elif errno in MISSING:
            missing += 1
        elif errno in REFUSED | {"EROFS"}:
            refused.add(errno)
        else:
            unclear.append(f"{want[2]}: {errno}")
    if opened:
        verdict = Verdict.NAMESPACED if case.own_kernel else Verdict.SHARED_LIVE
        return Judgement(verdict, f"sandbox: opens for writing: {', '.join(opened)}")
    if unclear:
        raise UnreadableError(f"{', '.join(unclear)} says neither yes nor no")
    if refused:
        return Judgement(Verdict.DENIED, f"sandbox: {', '.join(sorted(refused))} for all")
    return Judgement(Verdict.ABSENT, f"sandbox: none of {missing} exists")


def judged(
    verdict: Verdict, host: dict[str, Any], sandbox: dict[str, Any], note: str = ""
) -> Judgement:
    """Put a verdict beside what each side read."""
    text = f"host: {shown(host)}; sandbox: {shown(sandbox)}"
    return Judgement(verdict, f"{text}; {note}" if note else text)


def shown(reading: dict[str, Any]) -> str:
    """Shorten a reading for evidence, control characters made visible."""
    if "errno" in reading:
        return str(reading["errno"])
    found = content(reading)
    if isinstance(found, (list, dict)):
        found = ", ".join(map(str, found)) or "nothing"
    text = re.sub(r"\s+", " ", str(found)).strip() or "empty"
    if not text.isascii():
        return f"{len(str(found))} bytes that are no text"
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
