"""Numbers for people: base units in, three significant digits and a fitting unit out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.records import Unit

if TYPE_CHECKING:
    from reports.model import Estimate

TIMES = "\N{MULTIPLICATION SIGN}"
MISSING = "\N{EN DASH}"

_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZE = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_RATE = ((1e6, "M/s"), (1e3, "k/s"), (1.0, "/s"))
_PLAIN = ((1.0, ""),)
_SCALES = {
    Unit.SECONDS: _TIME,
    Unit.BYTES: _SIZE,
    Unit.PER_SECOND: _RATE,
    Unit.SECONDS_PER_EVENT: tuple((factor, f"{name}/event") for factor, name in _TIME),
    Unit.RATIO: ((1.0, TIMES),),
    Unit.COUNT: _PLAIN,
    Unit.WORD: _PLAIN,
}


class Scale(NamedTuple):
    """A unit to show values in: a value divided by ``factor`` is in ``name``."""

    factor: float
    name: str

    def with_unit(self, number: str) -> str:
        """Put the unit's name behind a number, with a space that does not break."""
        if not self.name:
            return number
        return f"{number}{self.name}" if self.name == TIMES else f"{number}\u00a0{self.name}"


def scale(value: float | None, unit: Unit) -> Scale:
    """Return the largest unit in which ``value`` is at least 1, else the smallest."""
    choices = _SCALES[unit]
    size = abs(value or 0.0)
    for factor, name in choices:
        if size >= factor:
            return Scale(factor, name)
    if size == 0:
        return Scale(*choices[0 if unit is Unit.SECONDS else -1])
    return Scale(*choices[-1])


def digits(number: float) -> str:
    """Return three significant digits, never in exponent form, thousands spaced thinly."""
    if number == 0:
        return "0"
    if not math.isfinite(number):
        return MISSING
    if number == int(number) and abs(number) < 1000:  # noqa: PLR2004  # whole and short already
        return _signed(str(int(number)))
    places = 2 - math.floor(math.log10(abs(number)))
    rounded = round(number, places)
    text = f"{rounded:,.{max(0, min(places, 6))}f}".replace(",", "\u2009")
    return _signed(text)


def quantity(value: float | None, unit: Unit) -> str:
    """Return a value with its unit, for example ``9.87 ms``."""
    if value is None:
        return MISSING
    chosen = scale(value, unit)
    return chosen.with_unit(digits(value / chosen.factor))


def interval(estimate: Estimate, unit: Unit) -> str:
    """Return only the interval in the unit of the estimate, for example ``9.8 to 11.2``."""
    if estimate.low is None or estimate.high is None:
        return MISSING
    factor = scale(estimate.estimate, unit).factor
    return f"{digits(estimate.low / factor)} to {digits(estimate.high / factor)}"


def estimate(value: Estimate | None, unit: Unit) -> str:
    """Return an estimate with its interval, for example ``9.87 ms (9.8 to 11.2)``."""
    if value is None or value.estimate is None:
        return MISSING
    shown = quantity(value.estimate, unit)
    if value.low is None:
        return f"{shown} (no interval from {value.n})"
    return f"{shown} ({interval(value, unit)})"


def percent(fraction: float) -> str:
    """Return a fraction as per cent without needless digits, for example ``5 %``."""
    return f"{digits(100 * fraction)}\u00a0%"


def p_value(p: float) -> str:
    """Return a p-value as it is usually printed."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # the usual cut


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
