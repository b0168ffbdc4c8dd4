"""Show the verdict on every claim."""

from reports.claims.judge import judged
from reports.model.content import Content, Verdicts
from reports.model.rundata import RunData
from reports.sections.base import Section


def build(data: RunData) -> Content:
    """List the claims in their declared order."""
    return Content(blocks=(Verdicts(data.once(judged)),))


SECTION = Section(
    name="verdicts", title="The claims, and what this host says", place=10, build=build
)
