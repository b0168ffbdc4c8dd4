"""Limit what libvirt itself would wait for without end: an answer of QEMU's monitor."""

import contextlib
import threading
from collections.abc import Callable, Iterator

from vmdriver.errors import VmError


@contextlib.contextmanager
def limited(seconds: float, give_up: Callable[[], None], error: VmError) -> Iterator[None]:
    """Give up when the block takes longer, and name that.

    Args:
        seconds: how long the block may take.
        give_up: called then, on another thread; must make libvirt's call return. Killing QEMU does.
        error: raised in the place of what libvirt's call raises then.
    """
    late = threading.Event()

    def fire() -> None:
        late.set()
        give_up()

    timer = threading.Timer(seconds, fire)
    timer.daemon = True
    timer.start()
    try:
        yield
    except VmError as said:
        if late.is_set():
            raise error from said
        raise
    finally:
        timer.cancel()
        timer.join()
