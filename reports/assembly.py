"""Put a whole report together from a run, before any renderer sees it."""

from typing import Any, cast

import msgspec

from benchmarks.results.runfolder import Run
from reports import sections
from reports.claims.caveats import caveats, warnings
from reports.claims.judge import judged
from reports.model.document import Document, Report
from reports.model.records import REPORT_SCHEMA_VERSION
from reports.model.rundata import RunData


def report(run: Run) -> Report:
    """Summarise and judge a run.

    Raises:
        EmptyRunError: The run holds no finished measurement.
    """
    data = RunData(run)
    shown = sections.shown(data)
    records = {key: found for one in shown for key, found in one.content.records.items()}
    info = run.info
    document = _whole()(
        schema=REPORT_SCHEMA_VERSION,
        run=info.run,
        created_at=info.created_at,
        tare_version=info.tare_version,
        blocks=data.blocks,
        samples=len(run.samples),
        discarded=run.discarded,
        seconds=sum(visit.seconds for visit in run.visits),
        dead_share=data.dead_share,
        host=info.host,
        image=info.image,
        resources=info.resources,
        sandboxes=info.sandboxes,
        absent=info.absent,
        campaign=info.campaign,
        harness=info.harness,
        tools=info.tools,
        warnings=warnings(data),
        caveats=data.once(caveats),
        claims=data.once(judged),
        numbers=data.numbers,
        words=data.words,
        failures=data.failures,
        meanwhile=data.host_states,
        **records,
    )
    return Report(document, shown)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return msgspec.json.schema(_whole())


def _whole() -> type[Document]:
    """Return the document with the records of all sections as fields, None where it has none."""
    records = [
        (key, kind | None, None) for one in sections.every() for key, kind in one.records.items()
    ]
    whole: Any = msgspec.defstruct("Report", records, bases=(Document,), frozen=True, kw_only=True)
    return cast("type[Document]", whole)
