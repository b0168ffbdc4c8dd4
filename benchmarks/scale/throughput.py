"""Throughput: starts and stops a second, by several threads of one harness."""

import os
import threading
import time
from dataclasses import dataclass

from runtime import Engine, Spec


@dataclass(frozen=True)
class Throughput:
    """Containers that were started, ran a program to its end and were deleted, in a second."""

    threads: int
    seconds: float
    completed: int

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.completed / self.seconds


def measure(engine: Engine, spec: Spec, seconds: float, threads: int | None = None) -> Throughput:
    """Start and delete containers for so many seconds; by default in two threads a processor."""
    threads = threads or 2 * len(os.sched_getaffinity(0))
    engine.prepare(spec)
    done = [0] * threads
    errors: list[BaseException] = []
    until = time.monotonic() + seconds

    def work(place: int) -> None:
        try:
            while time.monotonic() < until:
                with engine.run(spec):
                    pass
                done[place] += 1
        except BaseException as error:  # noqa: BLE001  # raised by the main thread
            errors.append(error)

    workers = [threading.Thread(target=work, args=(place,)) for place in range(threads)]
    began = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if errors:
        raise errors[0]
    return Throughput(threads, time.monotonic() - began, sum(done))
