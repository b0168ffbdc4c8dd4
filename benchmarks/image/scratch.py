"""Where an image grows before it appears, and how a build is interrupted."""

import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from benchmarks.image import store
from benchmarks.image.disposal import discard
from benchmarks.image.errors import BuildInterruptedError


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A temporary folder on the cache's file system, gone afterwards and found by `store.clean`."""
    work = Path(tempfile.mkdtemp(prefix=store.PARTIAL, dir=folder))
    work.chmod(0o755)  # apt's unprivileged downloader passes through
    try:
        yield work
    finally:
        discard(work)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the build in order; signals reach Python's main thread alone."""

    def interrupt(number: int, _: FrameType | None) -> NoReturn:
        raise BuildInterruptedError(
            f"image build interrupted by {signal.Signals(number).name}; nothing of it was kept"
        )

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
