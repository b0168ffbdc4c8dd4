"""Format numbers for people: base units in, three significant digits and a fitting unit out."""

import math
from typing import NamedTuple

from benchmarks.results.records import Unit
from reports.model.content import MISSING
from reports.model.records import Estimate

UNSURE = ", unsure"
"""Stands behind an interval that may be too narrow: successive values depend on each other."""
TIMES = "\N{MULTIPLICATION SIGN}"

_WHOLE = 1000
"""Whole numbers below it are short already and keep no decimals."""
_BEARS_TWO = 3.55
_ROUNDING = 1.0005
"""What rounds up to the next unit is shown in it: 1 ms, not 1000 µs."""

_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_SIZE = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"), (1.0, "B"))
_RATE = ((1e6, "M/s"), (1e3, "k/s"), (1.0, "/s"))
_PLAIN = ((1.0, ""),)
_SCALES = {
    Unit.SECONDS: _TIME,
    Unit.BYTES: _SIZE,
    Unit.PER_SECOND: _RATE,
    Unit.SECONDS_PER_EVENT: tuple((factor, f"{name}/event") for factor, name in _TIME),
    Unit.SECONDS_PER_SECOND: tuple((factor, f"{name}/s") for factor, name in _TIME),
    Unit.BITS_PER_SECOND: ((1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")),
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
    choices = _SCALES.get(unit) or ((1.0, unit.value),)
    size = abs(value or 0.0) * _ROUNDING
    for factor, name in choices:
        if size >= factor:
            return Scale(factor, name)
    if size == 0:
        return Scale(*choices[0 if unit is Unit.SECONDS else -1])
    return Scale(*choices[-1])


def digits(number: float, places: int | None = None) -> str:
    """Return three significant digits, never in exponent form, thousands spaced thinly.

    Args:
        number: What to show.
        places: Decimals to show instead, below 0 for tens and hundreds; unless nothing would be
            left of ``number`` then.
    """
    if not math.isfinite(number):
        return MISSING
    if number == 0:
        return "0"
    if places is None or not round(number, places):
        places = _places(number)
    return f"{round(number, places):,.{max(0, places)}f}".replace(",", "\u2009").replace(
        "-", "\N{MINUS SIGN}"
    )


def quantity(value: float | None, unit: Unit) -> str:
    """Return a value with its unit, for example ``9.87 ms``."""
    if value is None:
        return MISSING
    chosen = scale(value, unit)
    return chosen.with_unit(digits(value / chosen.factor))


def middle(value: Estimate, unit: Unit) -> str:
    """Return an estimate with its unit and no more digits than its interval bears."""
    if value.estimate is None:
        return MISSING
    chosen = scale(value.estimate, unit)
    number = value.estimate / chosen.factor
    return chosen.with_unit(digits(number, _borne(value, chosen.factor)))


def interval(estimate: Estimate, unit: Unit) -> str:
    """Return only the interval in the unit of the estimate, for example ``9.8 to 11.2``.

    Nothing where the interval is the estimate itself: a count that never changed.
    """
    if estimate.low is None or estimate.high is None:
        return MISSING
    if estimate.low == estimate.estimate == estimate.high:
        return ""
    factor = scale(estimate.estimate, unit).factor
    places = _borne(estimate, factor)
    low, high = (digits(end / factor, places) for end in (estimate.low, estimate.high))
    return f"{low} to {high}{UNSURE if estimate.unsure else ''}"


def estimate(value: Estimate | None, unit: Unit) -> str:
    """Return an estimate with its interval, for example ``9.87 ms (9.8 to 11.2)``."""
    if value is None or value.estimate is None:
        return MISSING
    shown = middle(value, unit)
    if value.low is None:
        return f"{shown} (no interval from {value.n})"
    around = interval(value, unit)
    return f"{shown} ({around})" if around else shown


def ratio(effect: Estimate) -> str:
    """Return a ratio with its interval, for example "8.11 times (7.92 to 8.40)"."""
    if effect.estimate is None or effect.low is None or effect.high is None:
        return MISSING
    places = _borne(effect, 1.0)
    low, high = (digits(end, places) for end in (effect.low, effect.high))
    unsure = UNSURE if effect.unsure else ""
    return f"{digits(effect.estimate, places)}{TIMES} ({low} to {high}{unsure})"


def _borne(value: Estimate, factor: float) -> int | None:
    """Return how many decimals an estimate's interval bears, at most three significant digits.

    As many as the first two digits of half the interval have, and one less where those are above
    35 (Particle Data Group, Review of Particle Physics, introduction, 5.3).
    """
    if value.estimate is None:
        return None
    number = value.estimate / factor
    most = _places(number)
    if value.low is None or value.high is None or not math.isfinite(value.high - value.low):
        return most
    half = (value.high - value.low) / 2 / factor
    if half <= 0:
        return most
    first = math.floor(math.log10(half))
    more = 1 if half < _BEARS_TWO * math.pow(10, first) else 0
    return min(most, more - first)


_DECIMALS_BELOW = 10
"""From here on per cent need no decimals."""


def percent(fraction: float) -> str:
    """Return a fraction as per cent without needless digits, for example ``5 %``."""
    shown = 100 * fraction
    return f"{shown:.0f}\u00a0%" if abs(shown) >= _DECIMALS_BELOW else f"{shown:.2g}\u00a0%"


def p_value(p: float) -> str:
    """Return a p-value as it is usually printed."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"  # noqa: PLR2004  # the usual cut


def _places(number: float) -> int:
    """Return how many decimals three significant digits of a number have, at most six."""
    if number == int(number) and abs(number) < _WHOLE:
        return 0
    # Rounding first: 0.9999 is shown as 1.00, not as 1.000.
    return min(6, 2 - int(f"{number:.2e}".partition("e")[2]))
