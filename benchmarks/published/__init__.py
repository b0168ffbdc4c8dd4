"""Published figures as data: a TOML file for each publication, with its source and caveats.

A file says which sandbox stands for each published system and which metric for each published
row; ``reports.claims.reproduction`` compares the two.
"""

import difflib
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.errors import CampaignError

_FOLDER = Path(__file__).parent


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published row.

    Attributes:
        title: What was measured.
        unit: Unit of the figures as published, for people.
        figures: Published system to figure.
        basis: What is compared: the ratio to the publication's ``base`` system; ``itself``, where
            the figure is a ratio already; or the ``absolute`` figure.
        base: System that the row's ratios are to, where it is not the publication's.
        scale: What the figure is multiplied with to have the metric's base unit; for ``absolute``.
        factor: How far the ratio may lie from the published one, where it is not the usual factor.
        sd: Published standard deviations.
        n: Repetitions of a figure, or None where the source does not say.
        boundary: Both ends of a published duration.
        unverified: The figure was not read in the source itself.
        workload: The workload that measures it here.
        metric: Its metric.
        memory_mib: Memory of the sandboxes that the row is about, in MiB.
        note: What is different here.
        untestable: Why no run of tare can test it; then nothing else counts.
    """

    title: str
    unit: str
    figures: dict[str, float]
    basis: Literal["ratio", "itself", "absolute"] = "ratio"
    base: str = ""
    scale: float = 1.0
    factor: float | None = None
    sd: dict[str, float] = {}
    n: int | None = None
    boundary: str = ""
    unverified: bool = False
    workload: str = ""
    metric: str = ""
    memory_mib: int | None = None
    note: str = ""
    untestable: str = ""

    def __post_init__(self) -> None:
        """Check what types cannot say.

        Raises:
            ValueError: A row can neither be tested nor says why.
        """
        if not self.untestable and not (self.workload and self.metric):
            raise ValueError(f"row {self.title!r}: needs a workload and a metric, or untestable")


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One publication.

    Attributes:
        name: Its name in campaigns.
        title: Its title and year.
        source: Where the figures were read.
        host: What it was measured on.
        caveats: What to know before comparing.
        systems: Published system to the sandbox that stands for it here.
        base: System that ratios are to.
        row: The rows.
    """

    name: str
    title: str
    source: str
    host: str
    caveats: tuple[str, ...]
    systems: dict[str, str]
    base: str
    row: tuple[Row, ...]


def names() -> list[str]:
    """Return the names of the publications."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@cache
def load(name: str) -> Publication:
    """Load a publication; it is part of the program, so it is read once.

    Raises:
        CampaignError: There is none of that name.
    """
    known = names()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
        raise CampaignError(f"reproduces: there is no publication {name!r}; {hint}")
    with (_FOLDER / f"{name}.toml").open("rb") as file:
        return msgspec.convert(tomllib.load(file), Publication)
