"""The sweep: totals, where the host's own lies, and what each profile changes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import VERDICTS, totals
from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports.sweep import is_container
from tare.leaks import grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.experiments.sweep import FileFinding
    from benchmarks.results.runfolder import Run

_MOST_CHANGES = 12
_MOST_PLACES = 14


def show(run: Run) -> None:
    """Print the totals of each sandbox, its shared-live files by place, and profiles compared."""
    samples = [sample for sample in run.samples if sample.workload == metrics.SWEEP]
    if not samples:
        return
    names = [box.name for box in run.info.sandboxes]
    values = {(s.metric, s.sandbox): s.value for s in samples if s.status is Status.OK}
    rows = [
        grid.Row(_short(title), tuple(_count(values.get((metric, name))) for name in names))
        for metric, title in totals.TITLES.items()
    ]
    grid.show("files of /proc and /sys", names, rows, right=True)
    found = {name: VERDICTS.read(run.path / "logs", name) or [] for name in names}
    click.echo()
    _show_places(found)
    base = next((box.name for box in run.info.sandboxes if box.kind == "container"), None)
    if base is not None:
        for box in run.info.sandboxes:
            if box.name != base and is_container(box.kind):
                _show_changes(base, box.name, totals.changes(found[base], found[box.name]))
    for said in dict.fromkeys(s.detail for s in samples if s.detail and "no guest" in s.detail):
        click.echo(f"tare: {said.partition('; ')[2]}", err=True)


def rows(run: Run) -> list[dict[str, Any]]:
    """Return the verdict on every file, for programs."""
    return [
        {
            "sandbox": box.name,
            "workload": metrics.SWEEP,
            "probe": one.path,
            "verdict": None if one.verdict is None else one.verdict.value,
            "status": (Status.OK if one.error is None else Status.FAILED).value,
            "evidence": one.error or one.evidence,
            "traits": [trait.value for trait in one.traits],
            "follows": list(one.follows),
            "bits": one.bits,
        }
        for box in run.info.sandboxes
        for one in VERDICTS.read(run.path / "logs", box.name) or []
    ]


def explain(run: Run, path: str) -> bool:
    """Print the evidence on one file; tell whether it was swept anywhere."""
    told = False
    for box in run.info.sandboxes:
        for one in VERDICTS.read(run.path / "logs", box.name) or []:
            if one.path == path:
                told = True
                traits = ", ".join(one.traits)
                word = "error" if one.verdict is None else one.verdict.value
                click.echo(f"{box.name}: {word}{f' ({traits})' if traits else ''}")
                grid.say(one.error or one.evidence, "  ")
    return told


def _count(value: float | None) -> str:
    return "error" if value is None else f"{value:.0f}"


def _short(title: str) -> str:
    """Shorten a title to what stands before its reason."""
    return title.removeprefix("files that are ").partition(", for ")[0].partition(";")[0]


def _show_places(found: dict[str, list[FileFinding]]) -> None:
    counts = {name: Counter(map(_place, _live(every))) for name, every in found.items()}
    together = sum((Counter(count) for count in counts.values()), Counter[str]())
    most = [place for place, _ in together.most_common(_MOST_PLACES)]
    if not most:
        return
    rest = {
        name: sum(count.values()) - sum(count[p] for p in most) for name, count in counts.items()
    }
    lines = [grid.Row(p, tuple(str(count[p]) for count in counts.values())) for p in sorted(most)]
    if any(rest.values()):
        lines.append(grid.Row("elsewhere", tuple(str(rest[name]) for name in found)))
    grid.show("shared-live files in", list(found), lines, right=True)


def _live(findings: Iterable[FileFinding]) -> list[str]:
    return [one.path for one in findings if one.verdict is Verdict.SHARED_LIVE]


def _place(path: str) -> str:
    """Return the folder in which a file is counted: two levels, three below the large ones."""
    parts = path.split("/")
    depth = 3 if path.startswith(("/sys/devices/", "/proc/sys/", "/sys/kernel/")) else 2
    return "/".join(parts[: min(depth + 1, len(parts) - 1)])


def _show_changes(base: str, name: str, changes: Sequence[totals.Change]) -> None:
    click.echo()
    total = sum(change.files for change in changes)
    click.echo(f"{name} against {base}: {total} files have another verdict")
    turns: Counter[tuple[str, str]] = Counter()
    for change in changes:
        turns[_place(change.pattern), f"{change.base} → {change.new}"] += change.files
    ranked = turns.most_common()
    for (place, turn), files in ranked[:_MOST_CHANGES]:
        click.echo(f"{files:>5}  {_cut(place, grid.WIDTH - len(turn) - 8)} {turn}")
    if len(ranked) > _MOST_CHANGES:
        rest = sum(files for _, files in ranked[_MOST_CHANGES:])
        click.echo(f"{rest:>5}  elsewhere; the report and --json name each")


def _cut(text: str, room: int) -> str:
    """Shorten a path in its middle, and fill it up."""
    if len(text) > room:
        half = (room - 1) // 2
        text = f"{text[:half]}…{text[-(room - 1 - half) :]}"
    return text.ljust(room)
