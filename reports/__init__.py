"""Claims, plots, HTML, comparison and export; reads run folders, never measures.

Importing this module is cheap; pandas, scipy and matplotlib come with the first call that needs
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.errors import EmptyRunError, ReportError, ReportWriteError, UnknownFormatError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.table import Table

    from benchmarks.results.runfolder import Run
    from reports.changes import Comparison
    from reports.document_model import Document

__all__ = [
    "COMPARISON_FORMATS",
    "FORMATS",
    "EmptyRunError",
    "ReportError",
    "ReportWriteError",
    "UnknownFormatError",
    "compare",
    "document",
    "render",
    "render_comparison",
    "summary_table",
    "write",
]

FORMATS = ("html", "md", "json", "csv")
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
    from reports.assembly import document as build
    from reports.frame import tidy

    return build(run, tidy(run))


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
            f"there is no report format {fmt!r}; known are {', '.join(FORMATS)}",
        )
    if fmt == "csv":
        from reports.export import csv

        return csv(run)
    from reports.assembly import document as build
    from reports.frame import tidy

    table = tidy(run)
    report = build(run, table)
    if fmt == "json":
        from reports.export import json

        return json(report)
    if fmt == "md":
        from reports.markdown import markdown

        return markdown(report)
    from reports.html import render as html

    return html(report, table)


def write(run: Run, fmt: str, out: Path | None) -> str | Path:
    """Write a report, or return it as text where ``out`` is None.

    Args:
        run: The run to report on.
        fmt: One of ``FORMATS``.
        out: The file to write, beside its place and renamed in; None for no file.

    Returns:
        The text, or the path it was written to.

    Raises:
        UnknownFormatError: There is no such format.
        EmptyRunError: The run holds no finished measurement.
        ReportWriteError: The file cannot be written.
    """
    text = render(run, fmt)
    if out is None:
        return text
    from benchmarks.errors import RunFolderError
    from benchmarks.results.runfolder import write_atomically

    try:
        write_atomically(out, text.encode("utf-8", "replace"))
    except (RunFolderError, OSError) as error:
        raise ReportWriteError(
            f"{error}; give a file in a folder that exists and can be written",
        ) from error
    return out


def summary_table(run: Run) -> Table:
    """Return the run's verdicts and headline numbers as a table of at most 80 columns.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    from reports.terminal import summary_table as build

    return build(document(run))


def compare(base: Run, new: Run, threshold: float = DEFAULT_THRESHOLD) -> Comparison:
    """Judge whether ``new`` is worse or better than ``base``; see ``reports.comparison``."""
    from reports.comparison import compare as judge

    return judge(base, new, threshold)


def render_comparison(comparison: Comparison, fmt: str) -> str:
    """Return a comparison as ``text`` for people or ``json`` for programs.

    Raises:
        UnknownFormatError: There is no such format.
    """
    from reports import comparison_views

    if fmt not in COMPARISON_FORMATS:
        raise UnknownFormatError(
            f"there is no comparison format {fmt!r}; known are {', '.join(COMPARISON_FORMATS)}",
        )
    return comparison_views.json(comparison) if fmt == "json" else comparison_views.text(comparison)
