"""Docker's daemon: where it listens, and whether it sees the processes that we see.

Sources: docker(1) on DOCKER_HOST and contexts, SO_PEERCRED in unix(7), pid_namespaces(7).
"""

from __future__ import annotations

import csv
import io
import os
import socket
import struct
import subprocess
from pathlib import Path

from benchmarks.errors import MeasurementError

_ASKED_S = 30.0
_USUAL = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_CREDENTIALS = struct.Struct("3i")


def address(program: str) -> str:
    """Return where the user's daemon listens, as docker itself finds it.

    Raises:
        MeasurementError: The command does not answer.
    """
    if given := os.environ.get("DOCKER_HOST"):
        return given
    try:
        done = subprocess.run(
            (program, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ASKED_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(f"{program} does not say where its daemon is: {error}") from error
    return done.stdout.strip() or _USUAL


def refuse_elsewhere(where: str) -> None:
    """Refuse a daemon whose process ids are not ours: processes would be killed by their ids.

    Args:
        where: Address of the daemon.

    Raises:
        MeasurementError: It is on another host or in another pid namespace, or does not answer.
    """
    if not where.startswith(_UNIX):
        raise MeasurementError(
            f"docker's daemon at {where} is not of this host; use one that is, or leave the "
            "sandbox out",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ASKED_S)
        try:
            connection.connect(where.removeprefix(_UNIX))
        except OSError as error:
            raise MeasurementError(
                f"docker's daemon does not answer ({where}: {error.strerror or error}); start it, "
                "or leave the sandbox out",
            ) from error
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, _, _ = _CREDENTIALS.unpack(found)
    # 0: a process that our namespace does not show
    if pid == 0 or not _in_our_namespace(pid):
        raise MeasurementError(
            f"docker's daemon at {where} is in another pid namespace, so that the process ids it "
            "tells mean other processes here; run tare where the daemon runs, or leave the "
            "sandbox out",
        )


def _in_our_namespace(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/ns/pid").readlink() == Path("/proc/self/ns/pid").readlink()
    except FileNotFoundError:
        return True  # who began to listen has ended, and was shown here


def mount_option(source: Path, target: str) -> str:
    """Return the value of ``--mount`` for a bind mount, which is a line of comma-separated values.

    Unlike ``--volume`` it makes no directory where the daemon does not find the source.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"src={source}", f"dst={target}"])
    return line.getvalue()


def quoted(value: str) -> str:
    """Return a value of a Dockerfile's LABEL, whatever is in it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
