"""A filter's listener for the agent that answers its notifications (seccomp_unotify(2))."""

from __future__ import annotations

import json
import os

from runtime.cli.sockets import send_descriptor
from runtime.errors import SetupError
from runtime.versions import OCI_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.cli.record import Record


def hand_over(found: Record, fd: int, pid: int, status: str) -> None:
    """Send it, with OCI's container process state, and close it.

    Source: config-linux.md, "The Container Process State".

    Args:
        found: the container.
        fd: the listener.
        pid: of the process that the filter is for.
        status: of the container.

    Raises:
        SetupError: nobody listens, or the bundle names no socket.
    """
    state = {
        "ociVersion": OCI_VERSION,
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": found.listener_metadata,
        "state": found.state(status, found.pid),
    }
    try:
        send_descriptor(found.listener, fd, json.dumps(state).encode())
    except OSError as error:
        what = f"hand the filter's listener to {found.listener}"
        raise SetupError(what, error.strerror or str(error), error.errno or 0) from error
    finally:
        os.close(fd)
