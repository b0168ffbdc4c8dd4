"""Show the evidence for each verdict: what was compared, and what it weighs."""

from collections.abc import Iterator

from reports.claims.judge import judged
from reports.model.content import Block, Content, Heading, Table, columns, said
from reports.model.records import Evidence, Judgement
from reports.model.rundata import RunData
from reports.renderers import units
from reports.sections.base import Section

_INTRO = (
    "Margins were declared before any run. Verdicts that rest on tests share one family-wise level "
    "of 5 % (Holm)."
)


def build(data: RunData) -> Content:
    """Show a heading, the rule and a table for every claim."""
    claims = (block for claim in data.once(judged) for block in _claim(claim))
    return Content(blocks=(said(_INTRO, muted=True), *claims))


def _claim(claim: Judgement) -> Iterator[Block]:
    p = "" if claim.p is None else f"; corrected {units.p_value(claim.p)}"
    yield Heading(claim.title, claim.verdict.value, claim.id)
    yield said(claim.statement)
    yield said(f"Margin: {claim.margin}. Rule: {claim.rule}{p}.", muted=True)
    if not claim.evidence:
        yield said(claim.reason)
        return
    yield Table(
        f"Evidence: {claim.title}",
        columns("Observed", "Result~", "Weight"),
        tuple((row.observation, row.result, _weight(row)) for row in claim.evidence),
        titled=False,
    )


def _weight(row: Evidence) -> str:
    if row.decides:
        return "decides"
    return "context" if row.admissible else "inadmissible"


SECTION = Section(name="evidence", title="Evidence for each verdict", place=180, build=build)
