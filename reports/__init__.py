"""Claims, plots, HTML, comparison and export; reads run folders, never measures.

Importing this module is cheap; pandas, scipy and matplotlib come with the first call that needs
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.results.printable import visible
from reports.errors import (
    EmptyRunError,
    ReportError,
    ReportWriteError,
    UnknownFormatError,
    UnusableRunError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence
    from pathlib import Path

    from benchmarks.results.runfolder import Run
    from reports.comparison.changes import Comparison
    from reports.history.records import History
    from reports.model.document import Document
    from reports.renderers.summary import Summary
    from reports.sections.base import Reading

__all__ = [
    "COMPARISON_FORMATS",
    "FORMATS",
    "EmptyRunError",
    "ReportError",
    "ReportWriteError",
    "UnknownFormatError",
    "UnusableRunError",
    "compare",
    "compare_rounds",
    "document",
    "explanations",
    "over_time",
    "readings",
    "render",
    "render_comparison",
    "render_history",
    "render_looks",
    "schema",
    "summary",
    "write",
    "write_bytes",
    "write_history",
]

_RENDERERS = {
    "html": ("html", "html"),
    "md": ("markdown", "markdown"),
    "text": ("text", "text"),
    "json": ("export", "json"),
    "csv": ("export", "csv"),
}
_FOR_PROGRAMS = ("json", "csv")
FORMATS = tuple(_RENDERERS)
"""Names of the formats that ``render`` and ``write`` know."""

COMPARISON_FORMATS = ("text", "json")
"""Names of the formats that ``render_comparison`` knows."""

DEFAULT_THRESHOLD = 0.05
"""Smallest relative change that counts as a regression or an improvement."""


def document(run: Run) -> Document:
    """Summarise and judge a run, for who wants the records themselves.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    from reports.assembly import report
    from reports.model.presentable import presentable

    return report(presentable(run)).document


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report's JSON form."""
    from reports.assembly import schema as build

    return build()


def render(run: Run, fmt: str) -> str:
    """Return a report as text.

    Args:
        run: The run to report on.
        fmt: One of ``FORMATS``.

    Raises:
        UnknownFormatError: There is no such format.
        EmptyRunError: The run holds no finished measurement.
    """
    if fmt not in FORMATS:
        raise UnknownFormatError(
            f"there is no report format {fmt!r}; known are {', '.join(FORMATS)}"
        )
    from importlib import import_module

    from reports.assembly import report
    from reports.model.presentable import presentable

    module, name = _RENDERERS[fmt]
    renderer = getattr(import_module(f"reports.renderers.{module}"), name)
    run = presentable(run)
    shown: str = renderer(run if fmt == "csv" else report(run))
    return shown if fmt in _FOR_PROGRAMS else visible(shown)


def write(run: Run, fmt: str, out: Path | None) -> str | Path:
    """Write a report, or return it as text where ``out`` is None.

    Args:
        run: The run to report on.
        fmt: One of ``FORMATS``.
        out: The file to write, renamed into its place; what is no regular file, such as a device
            or a FIFO, is written into. None for no file.

    Returns:
        The text, or the path it was written to.

    Raises:
        UnknownFormatError: There is no such format.
        EmptyRunError: The run holds no finished measurement.
        ReportWriteError: The file cannot be written, or belongs to the measurements of a run.
    """
    text = render(run, fmt)
    if out is None:
        return text
    _write(out, text)
    return out


def _write(out: Path, text: str) -> None:
    write_bytes(out, text.encode("utf-8", "replace"))


def write_bytes(out: Path, data: bytes) -> None:
    """Write a finished file, renamed into its place.

    Raises:
        ReportWriteError: The file cannot be written, or belongs to the measurements of a run.
    """
    from benchmarks.errors import OutputError
    from benchmarks.results import output

    try:
        output.write(out, data)
    except OutputError as error:
        raise ReportWriteError(str(error)) from error


def summary(run: Run) -> Summary:
    """Return the run's headline numbers and verdicts, for a rich console of any width.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    from reports.assembly import report
    from reports.model.presentable import presentable
    from reports.renderers.summary import Summary

    return Summary(report(presentable(run)))


def render_looks(run: Run, workloads: Container[str]) -> str:
    """Return the sections of some workloads as text of at most 80 columns.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    from reports import sections
    from reports.model.presentable import presentable
    from reports.model.rundata import RunData
    from reports.renderers import text

    data = RunData(presentable(run))
    return visible("\n\n".join(text.sections(sections.shown(data, workloads))))


def readings(run: Run, workloads: Container[str]) -> list[Reading]:
    """Return every single reading that the sections of some workloads have, for programs."""
    from reports import sections

    return [one for section in sections.of(workloads) for one in section.readings(run)]


def explanations(workloads: Container[str]) -> dict[str, str]:
    """Return what each probe of some workloads does; ``/`` stands for every path."""
    from reports import sections

    return {
        probe: said
        for section in sections.of(workloads)
        for probe, said in section.explains().items()
    }


def compare(
    base: Run,
    new: Run,
    threshold: float = DEFAULT_THRESHOLD,
    *,
    images_equivalent: bool = False,
) -> Comparison:
    """Judge whether ``new`` is worse or better than ``base``; see ``comparison.compare``."""
    from reports.comparison.compare import compare as judge
    from reports.model.presentable import presentable

    both = presentable(base), presentable(new)
    return judge(*both, threshold, images_equivalent=images_equivalent)


def compare_rounds(
    base: Sequence[Run], new: Sequence[Run], names: tuple[str, str], threshold: float
) -> Comparison:
    """Judge two versions measured in turns; see ``comparison.interleaved.compare``."""
    from reports.comparison.interleaved import compare as judge
    from reports.model.presentable import presentable

    sides = [[presentable(run) for run in runs] for runs in (base, new)]
    return judge(sides[0], sides[1], names, threshold)


def render_comparison(comparison: Comparison, fmt: str) -> str:
    """Return a comparison as ``text`` for people or ``json`` for programs.

    Raises:
        UnknownFormatError: There is no such format.
    """
    from reports.comparison import views

    if fmt not in COMPARISON_FORMATS:
        raise UnknownFormatError(
            f"there is no comparison format {fmt!r}; known are {', '.join(COMPARISON_FORMATS)}"
        )
    return views.json(comparison) if fmt == "json" else views.text(comparison)


def over_time(
    folders: Sequence[Path],
    threshold: float,
    acknowledged: Path | None = None,
    *,
    between: Callable[[str, str], list[str]] | None = None,
) -> History:
    """Make series of many runs, and judge where they change.

    Args:
        folders: Run folders, or folders that hold them.
        threshold: Smallest relative change that is an alarm, as a fraction.
        acknowledged: File of changes that are no alarm.
        between: Returns the commits behind one up to another, for who has the repository.

    Raises:
        EmptyRunError: There is no run that can be used.
        ReportError: The file of acknowledgements cannot be used.
    """
    from pathlib import Path

    from reports.history import acknowledged as reader
    from reports.history.assemble import assemble
    from reports.history.collect import collect
    from reports.history.memory import Memory
    from reports.history.origin import Origin

    known = reader.load(acknowledged) if acknowledged else ()
    collected = collect(folders)
    changes = Memory(Path(collected.paths[0]).parent).find
    return assemble(collected, threshold, known, origin=Origin(between), changes=changes)


def render_history(found: History, fmt: str) -> str:
    """Return a history as ``text`` for people or ``json`` for programs.

    Raises:
        UnknownFormatError: There is no such format.
    """
    from reports.history import views

    if fmt not in COMPARISON_FORMATS:
        raise UnknownFormatError(
            f"there is no form {fmt!r} of a history; known are {', '.join(COMPARISON_FORMATS)}"
        )
    return views.json(found) if fmt == "json" else visible(views.text(found))


def write_history(found: History, out: Path) -> None:
    """Write a history as an HTML page.

    Raises:
        ReportWriteError: The file cannot be written, or belongs to the measurements of a run.
    """
    from reports.history.page import html

    _write(out, visible(html(found, out.parent)))
