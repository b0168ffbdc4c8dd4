"""Lay a run's figures beside published ones, by a rule that is fixed before any run.

A published figure travels badly from one machine to another; the ratio of two systems on one
machine travels better. So a row compares ratios wherever the publication has a base system.
"""

from enum import StrEnum

import msgspec

from benchmarks import published
from benchmarks.published import Publication, Row
from benchmarks.results.records import SandboxInfo, Unit
from benchmarks.stats import estimators
from reports.claims.contrast import Side
from reports.model.declaration import admissible
from reports.model.frame import paired
from reports.model.records import Estimate
from reports.model.rundata import RunData


class Reproduced(StrEnum):
    """What a run says of a published figure."""

    YES = "reproduced"
    NO = "not reproduced"
    INCONCLUSIVE = "inconclusive"
    NOT_TESTABLE = "not testable here"


class ReproducedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A published figure and this run's beside it.

    Attributes:
        title: What was measured.
        system: Published system, and the one its ratio is to.
        sandbox: The sandbox that stands for it here, or None.
        figure: The figure as published.
        unit: Its unit.
        published: What is compared: the published ratio, or the figure in base units; None where
            the publication has no figure of its base.
        measured: The same of this run, with its interval; None where it was not measured.
        absolute: Whether figures are compared and not ratios.
        verdict: What came of it.
        reason: Why, in words.
        note: What is different here from what was published.
        boundary: Both ends of a published duration.
        unverified: The published figure was not read in the source itself.
    """

    title: str
    system: str
    sandbox: str | None
    figure: float
    unit: str
    published: float | None
    measured: Estimate | None
    absolute: bool
    verdict: Reproduced
    reason: str
    note: str
    boundary: str
    unverified: bool


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """A publication laid beside this run.

    Attributes:
        name: Its name in campaigns.
        title: Its title and year.
        source: Where the figures were read.
        host: What they were measured on.
        caveats: What to know before comparing.
        rule: The rule of every verdict, fixed before any run.
        rows: A row for every published figure that is not itself the base.
    """

    name: str
    title: str
    source: str
    host: str
    caveats: tuple[str, ...]
    rule: str
    rows: tuple[ReproducedRow, ...]


FACTOR = 1.25
"""How far a ratio may lie from the published one, either way."""

ALIKE = 0.05
"""Ratios within 1/1.05 to 1.05 have no direction: the two systems are alike."""

RULE = (
    f"Reproduced: the whole 95 % interval of the ratio here lies within a factor of {FACTOR:g} "
    f"of the published ratio, and on the same side of 1 (between 1/{1 + ALIKE:g} and "
    f"{1 + ALIKE:g} counts as alike) or as near to it as what counts as alike. Not reproduced: the "
    "whole interval lies outside that factor, or on another side of 1 and not that near. Else "
    "inconclusive. Rows of absolute figures have no side and a factor of their own. Nothing rests "
    "on an emulated CPU."
)


def reproduction(data: RunData) -> Reproduction | None:
    """Return the rows of the publication that a run's campaign names; None where it names none."""
    name = data.info.campaign.get("reproduces")
    if not name or name not in published.names():
        return None
    publication = published.load(name)
    rows = [
        _row(data, publication, row, system)
        for row in publication.row
        for system in row.figures
        if row.basis != "ratio" or system != _base(publication, row)
    ]
    return Reproduction(
        name=publication.name,
        title=publication.title,
        source=publication.source,
        host=publication.host,
        caveats=publication.caveats,
        rule=RULE,
        rows=tuple(rows),
    )


def _row(data: RunData, publication: Publication, row: Row, system: str) -> ReproducedRow:
    theirs = _published(publication, row, system)
    reason = _untestable(data, publication, row, system, theirs)
    ours, trouble = (None, None) if reason else _measured(data, publication, row, system)
    if reason is None and trouble is None and ours is not None and theirs is not None:
        verdict, said = _compare(row, theirs, ours)
    else:
        verdict = Reproduced.NOT_TESTABLE if reason else Reproduced.INCONCLUSIVE
        said = reason or trouble or "there is no interval"
    over = "" if row.basis != "ratio" else f" / {_base(publication, row)}"
    return ReproducedRow(
        title=row.title,
        system=f"{system}{over}",
        sandbox=publication.systems.get(system),
        figure=row.figures[system],
        unit=row.unit,
        published=theirs,
        measured=ours,
        absolute=row.basis == "absolute",
        verdict=verdict,
        reason=said,
        note=row.note,
        boundary=row.boundary,
        unverified=row.unverified,
    )


def _base(publication: Publication, row: Row) -> str:
    return row.base or publication.base


def _published(publication: Publication, row: Row, system: str) -> float | None:
    figure = row.figures[system] * row.scale
    if row.basis != "ratio":
        return figure
    base = row.figures.get(_base(publication, row))
    return None if base is None else figure / (base * row.scale)


def _untestable(
    data: RunData, publication: Publication, row: Row, system: str, theirs: float | None
) -> str | None:
    """Say why a row cannot be tested with this run; None where it can."""
    if row.untestable:
        return row.untestable
    if theirs is None:
        return f"no figure of {_base(publication, row)} was published"
    needed = [system] if row.basis != "ratio" else [system, _base(publication, row)]
    for one in needed:
        if reason := _unusable(data, publication, row, one):
            return reason
    if row.workload not in data.info.campaign.get("workloads", ()):
        return f"the run did not measure {row.workload}"
    given = data.info.resources.memory_bytes >> 20
    if row.memory_mib not in {None, given}:
        return f"needs memory_mib = {row.memory_mib}; the run gave {given} MiB"
    return None


def _unusable(data: RunData, publication: Publication, row: Row, system: str) -> str | None:
    """Say why nothing here may stand for a published system; None where something may."""
    wanted = publication.systems.get(system)
    if wanted is None:
        return f"no sandbox stands for {system}"
    found = _sandbox(data, wanted)
    if found is None:
        return data.info.absent.get(wanted, f"the run did not measure {wanted}")
    if not admissible(found, row.metric):
        return f"the CPU of {found.name} is emulated here"
    return None


def _measured(
    data: RunData, publication: Publication, row: Row, system: str
) -> tuple[Estimate | None, str | None]:
    """Return the ratio or figure here, and why nothing may rest on it."""
    above = _side(data, publication, row, system)
    if trouble := above.trouble(data):
        return None, trouble
    if row.basis != "ratio":
        return above.median(data), None
    below = _side(data, publication, row, _base(publication, row))
    if trouble := below.trouble(data):
        return None, trouble
    pairs = paired(above.rows(data), below.rows(data))
    return Estimate.of(estimators.ratio(pairs)), None


def _compare(row: Row, theirs: float, ours: Estimate) -> tuple[Reproduced, str]:
    if ours.low is None or ours.high is None or theirs <= 0:
        return Reproduced.INCONCLUSIVE, f"no interval from {ours.n} blocks"
    factor = row.factor or FACTOR
    low, high = theirs / factor, theirs * factor
    span = f"the factor of {factor:g}"
    if ours.high < low or ours.low > high:
        return Reproduced.NO, f"outside {span} around the published value"
    near = theirs / (1 + ALIKE) <= ours.low and ours.high <= theirs * (1 + ALIKE)
    if near and low <= ours.low and ours.high <= high:
        # 0.94 and 0.96 are alike, whatever side of a bound each of them is on.
        return Reproduced.YES, f"within {100 * ALIKE:g} % of the published value"
    if row.basis != "absolute" and (contrary := _contrary(theirs, ours.low, ours.high)):
        return contrary
    if low <= ours.low and ours.high <= high:
        return Reproduced.YES, f"within {span}" + (
            "" if row.basis == "absolute" else " and on the same side of 1"
        )
    return Reproduced.INCONCLUSIVE, f"the interval reaches beyond {span}"


def _contrary(theirs: float, low: float, high: float) -> tuple[Reproduced, str] | None:
    """Say where a ratio here is not on the published one's side of 1; None where it is."""
    side, own = _direction(theirs, theirs), _direction(low, high)
    if own is None:
        return Reproduced.INCONCLUSIVE, "the interval here has no one side of 1"
    if own == side:
        return None
    apart = high < theirs / (1 + ALIKE) or low > theirs * (1 + ALIKE)
    said = f"published {_WORDS[side]}, here {_WORDS[own]}"
    return (Reproduced.NO if apart else Reproduced.INCONCLUSIVE), said


_WORDS = {-1: "lower", 0: "alike", 1: "higher", None: "undecided"}


def _direction(low: float, high: float) -> int | None:
    """Return on which side of 1 an interval lies, 0 for alike; None where on several."""
    if high < 1 / (1 + ALIKE):
        return -1
    if low > 1 + ALIKE:
        return 1
    return 0 if low >= 1 / (1 + ALIKE) and high <= 1 + ALIKE else None


def _side(data: RunData, publication: Publication, row: Row, system: str) -> Side:
    sandbox = _sandbox(data, publication.systems[system])
    assert sandbox is not None  # the caller has looked
    info = next(
        (
            told
            for told in data.info.metrics
            if (told.workload, told.metric) == (row.workload, row.metric)
        ),
        None,
    )
    unit = info.unit if info else Unit.RATIO
    return Side(sandbox, row.workload, row.metric, unit, f"{row.workload} in {sandbox.name}")


def _sandbox(data: RunData, wanted: str) -> SandboxInfo | None:
    """Return the sandbox of that name, or of that kind and profile (``vm`` is ``vm:tuned``)."""
    boxes = data.info.sandboxes
    return next((box for box in boxes if wanted in {box.name, f"{box.kind}:{box.profile}"}), None)
