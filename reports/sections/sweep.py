"""Show the sweep of /proc and /sys: whose each file is, by what, and what profiles change."""

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import VERDICTS, FileFinding, totals
from benchmarks.results import metrics, sample_table
from benchmarks.results.records import Status
from benchmarks.results.runfolder import Run
from benchmarks.sandboxes import isolation
from reports.model.content import (
    MISSING,
    Block,
    Cell,
    Column,
    Content,
    Fold,
    Table,
    Text,
    Tone,
    columns,
    failed,
    said,
)  # fmt: skip
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Reading, Section

_MOST_PLACES = 14
_MOST_TURNS = 12
_MOST_CHANGES = 200
_INTRO = (
    "Every file that the host can read there, read on both sides: host, sandbox, host, sandbox; "
    "then again while one side holds memory, locks, processes or files. What does not change and "
    "is equal counts as the host's own only where a guest's kernel reads something else."
)


class SweptGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Files of a sweep whose paths differ in their numbers only, and of which the same was found.

    Attributes:
        pattern: Their path, each number as N.
        files: How many they are.
        path: One of them; the rest of the record is about it.
        verdict: ``shared-live``, or ``error``.
        traits: ``unique``, ``varying``, ``controllable``.
        follows: What the host held while this file moved in the sandbox.
        bits: What one reading tells, in bits; a lower bound, None where it was not estimated.
        evidence: What each side read, and what decided.
    """

    pattern: str
    files: int
    path: str
    verdict: str
    traits: tuple[str, ...]
    follows: tuple[str, ...]
    bits: float | None
    evidence: str


class SweptChange(msgspec.Struct, frozen=True, kw_only=True):
    """Files that have another verdict than in the container the run compares with."""

    pattern: str
    files: int
    base: str
    new: str


class SweptSandbox(msgspec.Struct, frozen=True, kw_only=True):
    """What the sweep of /proc and /sys found in one sandbox.

    Attributes:
        sandbox: Its name.
        totals: Metric to count, for example ``files_shared_live``.
        error: Why there are no totals.
        exposed: The host's own files and those whose reading broke, with evidence.
        base: The container with which ``changes`` compares; None where it does not.
        changes: Files with another verdict than there, most first.
    """

    sandbox: str
    totals: dict[str, int]
    error: str | None
    exposed: tuple[SweptGroup, ...]
    base: str | None
    changes: tuple[SweptChange, ...]


def build(data: RunData) -> Content:
    """Show totals, where the host's own files lie, and per sandbox the evidence and changes."""
    found = swept(data)
    if not found:
        return Content(records={"sweeps": found})
    names = [one.sandbox for one in found]
    counts = Table(
        "Files by verdict",
        tables.heads("Files", names),
        tuple(
            (title, *(_count(one, metric) for one in found))
            for metric, title in totals.TITLES.items()
        ),
    )
    return Content(
        blocks=(
            said(_INTRO),
            counts,
            *_places(found),
            *(said(f"{one.sandbox}: ", failed(), f" {one.error}") for one in found if one.error),
            *(said(note, muted=True) for note in _without_guest(data)),
            *(block for one in found for block in _evidence(one)),
        ),
        records={"sweeps": found},
    )


def swept(data: RunData) -> tuple[SweptSandbox, ...]:
    """Return what the run's sweeps found, in the order of its sandboxes; nothing without one.

    Raises:
        RunFolderError: A file of evidence in the run folder is damaged.
    """
    counts: dict[str, dict[str, int]] = {}
    errors: dict[str, str] = {}
    for sample in sample_table.of(data.run.samples, metrics.SWEEP):
        if sample.metric in totals.TITLES:
            if sample.status is Status.OK and sample.value is not None:
                counts.setdefault(sample.sandbox, {})[sample.metric] = int(sample.value)
            else:
                errors[sample.sandbox] = sample.detail or "no reason given"
    if not counts and not errors:
        return ()
    boxes = [box for box in data.info.sandboxes if box.name in counts or box.name in errors]
    # What a sweep that failed left in its folder says nothing of the sandbox.
    found = {
        box.name: ([] if box.name in errors else VERDICTS.read(data.run.path / "logs", box.name))
        or []
        for box in boxes
    }
    base = next((box.name for box in boxes if box.kind == "container"), None)
    return tuple(
        SweptSandbox(
            sandbox=box.name,
            totals={} if box.name in errors else counts.get(box.name, {}),
            error=errors.get(box.name),
            exposed=_exposed(found[box.name]),
            base=base if compared and base not in errors else None,
            changes=_changes(found[base], found[box.name])
            if base and compared and errors.keys().isdisjoint((base, box.name))
            else (),
        )
        for box in boxes
        for compared in [isolation(box.kind) == "container" and base not in {box.name, None}]
    )


def _exposed(findings: Sequence[FileFinding]) -> tuple[SweptGroup, ...]:
    """Group what is the host's own, and what could not be read."""
    wanted = [one for one in findings if one.verdict in {Verdict.SHARED_LIVE, None}]
    return tuple(
        SweptGroup(
            pattern=group.pattern,
            files=group.files,
            path=group.first.path,
            verdict="error" if group.first.verdict is None else group.first.verdict.value,
            traits=tuple(trait.value for trait in group.first.traits),
            follows=group.first.follows,
            bits=group.first.bits,
            evidence=group.first.error or group.first.evidence,
        )
        for group in totals.groups(wanted)
    )


def _changes(base: Sequence[FileFinding], new: Sequence[FileFinding]) -> tuple[SweptChange, ...]:
    return tuple(
        SweptChange(pattern=one.pattern, files=one.files, base=one.base, new=one.new)
        for one in sorted(totals.changes(base, new), key=lambda one: (-one.files, one.pattern))
    )


def _count(one: SweptSandbox, metric: str) -> Cell:
    """Return a count with all its digits: it was counted, not estimated."""
    if one.error is not None:
        return failed()
    count = one.totals.get(metric)
    return Cell(MISSING if count is None else f"{count:,}".replace(",", "\u2009"))


def _places(found: Sequence[SweptSandbox]) -> tuple[Table, ...]:
    """Count the host's own files by folder; a dash where the sweep failed."""
    counts: dict[str, Counter[str]] = {one.sandbox: Counter() for one in found}
    for one in found:
        for group in one.exposed:
            if group.verdict == Verdict.SHARED_LIVE:
                counts[one.sandbox][_place(group.pattern)] += group.files
    together = sum(counts.values(), Counter[str]())
    most = [place for place, _ in together.most_common(_MOST_PLACES)]
    if not most:
        return ()
    swept_at_all = [one.error is None for one in found]

    def line(title: str, numbers: Sequence[int]) -> tuple[Text, ...]:
        shown = zip(numbers, swept_at_all, strict=True)
        return (title, *(str(number) if known else MISSING for number, known in shown))

    lines = [line(place, [count[place] for count in counts.values()]) for place in sorted(most)]
    rest = [count.total() - sum(count[place] for place in most) for count in counts.values()]
    if any(rest):
        lines.append(line("elsewhere", rest))
    return (Table("The host's own files by folder", tables.heads("In", counts), tuple(lines)),)


def _place(path: str) -> str:
    """Return the folder in which a file is counted: two levels, three below the large ones."""
    parts = path.split("/")
    depth = 3 if path.startswith(("/sys/devices/", "/proc/sys/", "/sys/kernel/")) else 2
    return "/".join(parts[: min(depth + 1, len(parts) - 1)])


def _without_guest(data: RunData) -> list[str]:
    """Say once what a sweep without a guest beside it cannot tell."""
    told = (sample.detail or "" for sample in sample_table.of(data.run.samples, metrics.SWEEP))
    notes = dict.fromkeys(detail.partition("; ")[2] for detail in told if "no guest" in detail)
    return [note[:1].upper() + note[1:] + "." for note in notes if note]


def _evidence(one: SweptSandbox) -> Iterator[Block]:
    broken = sum(group.verdict == "error" for group in one.exposed)
    kinds = {"that are the host's own": len(one.exposed) - broken, "that could not be read": broken}
    told = ", ".join(f"{count} kinds of file {what}" for what, count in kinds.items() if count)
    if told:
        yield Fold(f"{one.sandbox}: the evidence, {told}", (_exposed_table(one),))
    if one.base is None or one.error is not None:
        return
    against = f"{one.sandbox} against {one.base}"
    if not one.changes:
        yield said(f"{against}: no file has another verdict.")
        return
    files = sum(change.files for change in one.changes)
    yield _turns(one, f"{against}: {files} files have another verdict")
    yield Fold(f"{against}: each of the {files} files", _change_table(one, against))


def _exposed_table(one: SweptSandbox) -> Table:
    heads = columns("File", "Files#", "Good for", "Bits#", "Evidence~")
    rows = tuple(
        (
            Cell(group.pattern, tone=Tone.CODE),
            str(group.files),
            failed() if group.verdict == "error" else ", ".join(group.traits),
            MISSING if group.bits is None else f"{group.bits:.1f}",
            group.evidence,
        )
        for group in one.exposed
    )
    return Table(f"The host's own files, as {one.sandbox} reads them", heads, rows, titled=False)


def _turns(one: SweptSandbox, caption: str) -> Table:
    turns: Counter[tuple[str, str, str]] = Counter()
    for change in one.changes:
        turns[_place(change.pattern), change.base, change.new] += change.files
    ranked = turns.most_common()
    rows: list[tuple[Text, ...]] = [
        (place, str(files), tables.word(was), tables.word(now))
        for (place, was, now), files in ranked[:_MOST_TURNS]
    ]
    if rest := sum(files for _, files in ranked[_MOST_TURNS:]):
        rows.append(("elsewhere", str(rest), MISSING, MISSING))
    return Table(caption, _change_heads(one, "In"), tuple(rows))


def _change_table(one: SweptSandbox, caption: str) -> tuple[Block, ...]:
    rows = tuple(
        (
            Cell(change.pattern, tone=Tone.CODE),
            str(change.files),
            tables.word(change.base),
            tables.word(change.new),
        )
        for change in one.changes[:_MOST_CHANGES]
    )
    table = Table(caption, _change_heads(one, "File"), rows, titled=False)
    left = len(one.changes) - _MOST_CHANGES
    more = f"And {left} more kinds of file, in the JSON form of this report."
    return (table, said(more)) if left > 0 else (table,)


def _change_heads(one: SweptSandbox, first: str) -> tuple[Column, ...]:
    return columns(first, "Files#", f"In {one.base}", f"In {one.sandbox}")


def _read(run: Run) -> Iterator[Reading]:
    """Return the verdict on every file."""
    for box in run.info.sandboxes:
        for one in VERDICTS.read(run.path / "logs", box.name) or ():
            yield Reading(
                box.name,
                metrics.SWEEP,
                one.path,
                None if one.verdict is None else one.verdict.value,
                Status.OK if one.error is None else Status.FAILED,
                one.error or one.evidence,
                {
                    "traits": [trait.value for trait in one.traits],
                    "follows": list(one.follows),
                    "bits": one.bits,
                },
            )


SECTION = Section(
    name="sweep",
    title="Every file of /proc and /sys",
    place=110,
    build=build,
    records={"sweeps": tuple[SweptSandbox, ...]},
    workloads=(metrics.SWEEP,),
    read=_read,
    explains=lambda: {"/": "A file of /proc or /sys, as host and sandbox read it"},
)
