"""Write the forms for programs: JSON, and the samples as CSV."""

import msgspec
import numpy as np

from benchmarks.results.runfolder import Run
from reports.model.document import Report
from reports.model.frame import tidy


def json(report: Report) -> str:
    """Return the whole report as JSON; ``reports.schema()`` describes it."""
    return msgspec.json.format(msgspec.json.encode(report.document), indent=2).decode() + "\n"


def csv(run: Run) -> str:
    """Return the samples, one a row, in base units; a missing value is an empty field.

    Beside each stands what the host did during its visit, as ``host_...``: steal, pressure, load.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    table = tidy(run)
    keys = list(dict.fromkeys(key for visit in run.visits for key in visit.meanwhile))
    counts = [visit.samples for visit in run.visits]
    if sum(counts) == len(table):
        for key in keys:
            told = [visit.meanwhile.get(key, np.nan) for visit in run.visits]
            table[f"host_{key}"] = np.repeat(told, counts)
    return table.to_csv(index=False, lineterminator="\n")
