"""Docker's daemon: its address, and a check that its process ids are those of this process.

Sources: docker(1) on DOCKER_HOST and contexts, SO_PEERCRED in unix(7), pid_namespaces(7).
"""

import csv
import io
import os
import socket
import struct
import subprocess
from pathlib import Path

from benchmarks.errors import MeasurementError

_ANSWER_S = 30.0
_DEFAULT = "unix:///var/run/docker.sock"
_UNIX = "unix://"
_CREDENTIALS = struct.Struct("3i")


def address(program: str) -> str:
    """Return the address of the user's daemon, found as docker itself finds it.

    Raises:
        MeasurementError: The command fails.
    """
    if given := os.environ.get("DOCKER_HOST"):
        return given
    try:
        done = subprocess.run(
            (program, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeasurementError(f"{program} does not say where its daemon is: {error}") from error
    return done.stdout.strip() or _DEFAULT


def refuse_foreign(where: str) -> None:
    """Refuse a daemon in another pid namespace: its process ids would be others' processes here.

    Args:
        where: Address of the daemon.

    Raises:
        MeasurementError: It is on another host or in another pid namespace, or is not reachable.
    """
    if not where.startswith(_UNIX):
        raise MeasurementError(
            f"docker's daemon at {where} is not of this host; use one that is, or leave the "
            "sandbox out",
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_ANSWER_S)
        try:
            connection.connect(where.removeprefix(_UNIX))
        except OSError as error:
            raise MeasurementError(
                f"docker's daemon does not answer ({where}: {error.strerror or error}); start it, "
                "or leave the sandbox out",
            ) from error
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, _, _ = _CREDENTIALS.unpack(found)
    # 0: a process that is not in our namespace
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
        return True  # the process that began to listen has ended, and had an id here


def mount_option(source: Path, target: str) -> str:
    """Return the value of ``--mount`` for a bind mount, which is a line of comma-separated values.

    Unlike ``--volume`` it makes no directory where the daemon does not find the source.
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"src={source}", f"dst={target}"])
    return line.getvalue()


def quoted(value: str) -> str:
    """Quote a value for a Dockerfile's LABEL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'
