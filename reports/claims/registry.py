"""Register judges by name, and word a judgement."""

from collections.abc import Callable
from typing import NamedTuple

from reports.model.declaration import Claim
from reports.model.records import Evidence, Judgement, Verdict
from reports.model.rundata import RunData

type Rule = Callable[[Claim, RunData], Judgement]


class Judge(NamedTuple):
    """A rule, and whether it tests statistically: then it is of the corrected family."""

    rule: Rule
    tests: bool


JUDGES: dict[str, Judge] = {}
"""Name to judge, filled where the judges are defined."""


def judge(name: str, *, tests: bool = False) -> Callable[[Rule], Rule]:
    """Register a function as the judge of the claims that name it.

    Args:
        name: Its name in ``claims.toml``; a claim without ``judge`` is judged by its own.
        tests: Whether its verdicts rest on statistical tests.
    """

    def register(rule: Rule) -> Rule:
        JUDGES[name] = Judge(rule, tests)
        return rule

    return register


def verdict(
    claim: Claim, kind: Verdict, rule: str, reason: str, *evidence: Evidence, p: float | None = None
) -> Judgement:
    """Return a judgement of a declared claim."""
    return Judgement(
        id=claim.id,
        title=claim.title,
        statement=claim.statement,
        margin=claim.margin,
        verdict=kind,
        rule=rule,
        reason=f"{sentence(reason)}.",
        p=p,
        evidence=evidence,
    )


def sentence(text: str) -> str:
    """Begin a text with a capital."""
    return text[:1].upper() + text[1:]
