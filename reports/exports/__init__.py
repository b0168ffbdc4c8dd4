"""Forms of a run that other tools take; each is a function from runs to the bytes of a file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from reports.errors import ReportError, UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.results.runfolder import Run
    from reports.comparison.changes import Comparison


class Format(NamedTuple):
    """A form, and what takes it.

    Attributes:
        module: Module of this package that writes it.
        function: Function there, from sources to bytes.
        consumer: What takes it, in a few words.
        many: Whether it holds several runs.
    """

    module: str
    function: str
    consumer: str
    many: bool = False


FORMATS = {
    "otava": Format("otava", "as_json", "Apache Otava, JSON source", many=True),
    "otava-csv": Format("otava", "as_csv", "Apache Otava, CSV source", many=True),
    "bmf": Format("dashboards", "bmf", "Bencher"),
    "customSmallerIsBetter": Format("dashboards", "smaller", "github-action-benchmark"),
    "customBiggerIsBetter": Format("dashboards", "bigger", "github-action-benchmark"),
    "benchfmt": Format("benchmark_tools", "benchfmt", "benchstat"),
    "openmetrics": Format("openmetrics", "openmetrics", "Prometheus, textfile collector"),
    "junit": Format("junit", "junit", "CI servers"),
    "asv": Format("benchmark_tools", "asv", "airspeed velocity"),
    "pytest-benchmark": Format("benchmark_tools", "pytest_benchmark", "pytest-benchmark compare"),
    "parquet": Format("parquet", "parquet", "DuckDB, pandas, Spark", many=True),
    "comment": Format("comment", "comment", "a pull request, as Markdown"),
}
"""Forms by the name that ``tare export --format`` takes."""


def export(runs: Sequence[Run], fmt: str, comparison: Comparison | None = None) -> bytes:
    """Return runs in a form that another tool takes; what failed is never a number in it.

    Args:
        runs: The runs, one unless the form holds several.
        fmt: One of ``FORMATS``.
        comparison: Of a base run with the one run, for forms that say what is worse.

    Raises:
        UnknownFormatError: There is no such form.
        EmptyRunError: A run holds no finished measurement.
        ReportError: The form cannot hold these runs, or what writes it is missing.
    """
    if fmt not in FORMATS:
        raise UnknownFormatError(f"there is no form {fmt!r}; known are {', '.join(FORMATS)}")
    form = FORMATS[fmt]
    if len(runs) > 1 and not form.many:
        raise ReportError(f"{fmt} holds one run, and {len(runs)} are given; export each alone")
    from reports.exports.source import Source

    sources = [Source(run, comparison) for run in runs]
    write: Callable[[Sequence[Source]], bytes] = getattr(
        import_module(f"reports.exports.{form.module}"), form.function
    )
    return write(sources)
