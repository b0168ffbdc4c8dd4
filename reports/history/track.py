"""Sort the values of all runs into series."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from benchmarks.results.records import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from reports.history.collect import Collected
    from reports.history.kinds import Kind


class Track(NamedTuple):
    """The values of one series.

    Attributes:
        kind: What they are of.
        host: Class of the host.
        runs: Places of its runs, failed ones included.
        values: (runs, 3) lower end, median, upper end; NaN where there is none.
        known: Which runs have a value.
        places: Places of those.
        medians: Their medians.
        failed: Which failed.
        logs: The known medians on the scale that they are judged on.
        ratio: Whether that is their logarithm.
    """

    kind: Kind
    host: str
    runs: NDArray[np.int64]
    values: NDArray[np.float64]
    known: NDArray[np.bool_]
    places: NDArray[np.int64]
    medians: NDArray[np.float64]
    failed: NDArray[np.bool_]
    logs: NDArray[np.float64]
    ratio: bool

    @property
    def name(self) -> str:
        """How it is called: sandbox, workload, metric, parameters."""
        parameters: dict[str, str] = msgspec.json.decode(self.kind.parameters)
        own = [f"{key}={said}" for key, said in parameters.items()]
        return " ".join([self.kind.sandbox, self.kind.workload, self.kind.metric, *own])


def tracks(collected: Collected, hosts: Sequence[str]) -> list[Track]:
    """Sort all values into their series."""
    runs, codes, values, failed = collected.table()
    names = list(dict.fromkeys(hosts))
    numbers = np.array([names.index(host) for host in names])[
        np.array([names.index(host) for host in hosts])
    ]
    of_series = codes.astype(np.int64) * len(names) + numbers[runs]
    order = np.argsort(of_series, kind="stable")
    cuts = np.flatnonzero(np.diff(of_series[order])) + 1
    found = []
    for rows in np.split(order, cuts):
        if not len(rows):
            continue
        kind = collected.kinds[int(codes[rows[0]])]
        if kind.direction is Direction.NEITHER:
            continue
        own = values[rows]
        known = ~np.isnan(own[:, 1])
        medians = own[known, 1]
        ratio = bool((medians > 0).all())
        most = float(np.abs(medians).max()) if len(medians) else 0.0
        found.append(
            Track(
                kind=kind,
                host=names[int(of_series[rows[0]]) % len(names)],
                runs=runs[rows],
                values=own,
                known=known,
                places=runs[rows][known],
                medians=medians,
                failed=failed[rows],
                logs=np.log(medians) if ratio else medians / (most or 1.0),
                ratio=ratio,
            )
        )
    return found
