"""Show what each sandbox sees of its host, probe by probe."""

from collections import Counter

from benchmarks.experiments import probes
from benchmarks.results import metrics
from benchmarks.results.records import Status
from reports.claims.exposure import is_exposed
from reports.model.content import MISSING, Cell, Content, Table, Text, Tone, said
from reports.model.rundata import RunData
from reports.sections import tables
from reports.sections.base import Section

_INTRO = (
    "What each sandbox sees of its host, probe by probe. ",
    Cell("shared-live", tone=Tone.BAD),
    " is the host's own: it changes with the host or identifies it. ",
    Cell("shared-constant", tone=Tone.WORD),
    " reads the same on any kernel. The others keep the host to itself.",
)


def build(data: RunData) -> Content:
    """Count the probes by verdict and the leaks by weight, then show every probe."""
    matrix = tables.Matrix(data, metrics.LEAKS)
    if not matrix.lines:
        return Content()
    return Content(
        blocks=(
            said(*_INTRO),
            matrix.counts("Probes by verdict"),
            _weights(data, matrix),
            matrix.table("Leak matrix: every probe in every sandbox", "Probe"),
        )
    )


def _weights(data: RunData, matrix: tables.Matrix) -> Table:
    """Count; no weights are added up, since nobody knows how many constants make a power."""
    kinds = {probe.id: probe.kind for probe in probes.PROBES}
    rows = [row for row in data.words if row.workload == metrics.LEAKS]
    read = {row.sandbox for row in rows if row.status is Status.OK}
    leaks = Counter(
        (kinds[row.metric], row.sandbox)
        for row in rows
        if row.metric in kinds and row.status is Status.OK and is_exposed(row.words)
    )
    lines: list[tuple[Text, ...]] = [
        (str(kind), *(str(leaks[kind, n]) if n in read else MISSING for n in matrix.names))
        for kind in reversed(probes.Kind)
    ]
    caption = "Leaks by what they are good for, gravest first"
    return Table(caption, tables.heads("Good for", matrix.names), tuple(lines))


def _about() -> dict[str, str]:
    return {probe.id: probe.about for probe in probes.PROBES}


SECTION = Section(
    name="leaks",
    title="What leaks",
    place=90,
    build=build,
    workloads=(metrics.LEAKS,),
    explains=_about,
)
