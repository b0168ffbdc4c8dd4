"""Series for Apache Otava: its JSON and its CSV source, an entry or a row a run."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.exports.source import Source


def as_json(sources: Sequence[Source]) -> bytes:
    """Return an array of results: time, attributes and metrics of each run.

    Otava lays the values of a metric side by side without looking which run they are of, so only
    what every run has is in it.
    """
    shared = _shared(sources)
    results = [
        {
            "timestamp": int(source.document.created_at),
            "attributes": _attributes(source),
            "metrics": [
                {"name": point.name, "value": point.value, "unit": point.row.unit.value}
                for point in source.points
                if point.name in shared
            ],
        }
        for source in sources
    ]
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"


def as_csv(sources: Sequence[Source]) -> bytes:
    """Return a row a run: time, attributes, and a column a metric that every run has."""
    shared = _shared(sources)
    names = [point.name for point in sources[0].points if point.name in shared]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["time", *_attributes(sources[0]), *names])
    for source in sources:
        values = {point.name: point.value for point in source.points}
        time = datetime.fromtimestamp(source.document.created_at, UTC)
        table.writerow(
            [time.isoformat(timespec="seconds"), *_attributes(source).values()]
            + [repr(values[name]) for name in names]
        )
    return out.getvalue().encode()


def _shared(sources: Sequence[Source]) -> set[str]:
    return set.intersection(*({point.name for point in source.points} for source in sources))


def _attributes(source: Source) -> dict[str, str]:
    return {
        "run": source.document.run,
        "commit": source.run.info.commit or "",
        "tare": source.document.tare_version,
        "host": str(source.document.host.get("identity", {}).get("hostname", "")),
    }
