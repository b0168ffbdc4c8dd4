"""Read the claims and their margins, as declared in ``claims.toml`` before any run."""

import tomllib
from functools import cache
from pathlib import Path

import msgspec

from benchmarks.results.records import SandboxInfo

DECLARATION = Path(__file__).parent.parent / "claims.toml"


class Claim(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A claim as declared.

    Attributes:
        id: Its identifier.
        title: The claim in a few words.
        statement: The claim in a sentence.
        margin: The margin in words.
        factor: Margin of a ratio, as a fraction; None where no ratio decides.
        limit_s: Limit of an absolute time, in seconds, or None.
        probes: Probes that decide.
        features: Technologies that decide.
        families: Name to the workloads that ask the same question, for multiplicity.
        confirmed_by: Kinds of probe of which one reading confirms a leak.
        confirmed_readings: Blocks in which any other has to be read as a leak.
        unconfirmed: Probes of those kinds whose single reading confirms nothing all the same.
        judge: Name of the rule that decides; the claim's own identifier by default.
    """

    id: str
    title: str
    statement: str
    margin: str
    factor: float | None = None
    limit_s: float | None = None
    probes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    families: dict[str, tuple[str, ...]] = {}
    confirmed_by: frozenset[str] = frozenset()
    confirmed_readings: int = 2
    unconfirmed: frozenset[str] = frozenset()
    judge: str = ""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What holds for all claims.

    Attributes:
        admissible_when_emulated: Metrics in which an emulated CPU has no part.
        most_failed: Share of failed samples above which nothing is decided.
        leak_words: Verdict words of a probe that count as a leak.
    """

    admissible_when_emulated: frozenset[str]
    most_failed: float
    leak_words: frozenset[str]


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``claims.toml``."""

    rules: Rules
    claim: tuple[Claim, ...]


@cache
def declared() -> Declaration:
    """Return the declaration; it is part of the program, so it is read once."""
    with DECLARATION.open("rb") as file:
        return msgspec.convert(tomllib.load(file), Declaration)


def admissible(sandbox: SandboxInfo, metric: str) -> bool:
    """Whether a metric of this sandbox may rank against another sandbox's."""
    return sandbox.admissible_cpu or metric in declared().rules.admissible_when_emulated
