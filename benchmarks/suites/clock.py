"""Clock for pytest-benchmark that advances by durations which were stamped elsewhere.

pytest-benchmark times a call from outside, which would include everything the harness does around
a start. Here the benchmarked call reports the stamped duration, and the clock advances by it.
"""


class StampedClock:
    """A timer for ``pytest.mark.benchmark(timer=...)``; seconds, starting at 0."""

    __name__ = "stamped_clock"

    def __init__(self) -> None:
        """Begin at zero."""
        self._now_ns = 0

    def __call__(self) -> float:
        """Return the sum of all durations passed so far, in seconds."""
        return self._now_ns / 1e9

    def advance(self, begin_ns: int, end_ns: int) -> None:
        """Let the time between two CLOCK_MONOTONIC stamps pass.

        Raises:
            ValueError: The end lies before the beginning.
        """
        if end_ns < begin_ns:
            raise ValueError(f"a duration cannot be negative: {begin_ns} to {end_ns}")
        self._now_ns += end_ns - begin_ns


stamped_clock = StampedClock()
"""The one clock of a pytest process; pytest-benchmark takes differences of it only."""
