"""The forms for programs: JSON with a schema, and the samples as CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from reports.document_model import Document

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run


def json(report: Document) -> str:
    """Return the whole report as JSON; ``schema()`` describes it."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return msgspec.json.schema(Document)


def csv(run: Run) -> str:
    """Return the samples, one a row, in base units; a missing value is an empty field.

    Beside each stands what the host did during its visit, as ``host_...``: steal, pressure, load.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    from reports.frame import tidy

    table = tidy(run)
    keys = list(dict.fromkeys(key for visit in run.visits for key in visit.meanwhile))
    counts = [visit.samples for visit in run.visits]
    if sum(counts) == len(table):
        import numpy as np

        for key in keys:
            told = [visit.meanwhile.get(key, np.nan) for visit in run.visits]
            table[f"host_{key}"] = np.repeat(told, counts)
    return table.to_csv(index=False, lineterminator="\n")
