"""The server of a network workload: started in its own place, awaited by its socket, killed.

One command of the place itself starts it and waits until the kernel lists its port as taken, so
that readiness needs neither a pause nor a connection, which a server that answers one client alone
would take for that client. It is asked of the image's busybox, as the idle payload is.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from benchmarks.errors import MeasurementError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.results.records import Resources
    from benchmarks.sandboxes.base import Completed, Endpoint
    from benchmarks.workloads import Workload

_PROGRAM = "/bin/busybox"
_SHELL = (_PROGRAM, "sh", "-c")

# A socket that listens (0A), or one of UDP that is bound and not connected (07), of either family:
# "sl local_address rem_address st" of /proc/net (proc_net_tcp.txt of the kernel's documentation).
_TAKEN = """
box=/bin/busybox
taken() { $box grep -Eqs ":$port 0+:0000 (0A|07) " "/proc/net/$table" "/proc/net/${table}6"; }
"""

_READY_S = 15
"""How long a server may take until it listens, by its own place's clock."""

_START = f"""{_TAKEN}
port=$1 table=$2; shift 2
taken && {{ echo "its port is taken already" >&2; exit 1; }}
log=$($box mktemp /tmp/server.XXXXXX) || exit 1
$box setsid "$@" > "$log" 2>&1 < /dev/null &
server=$!
now() {{ read -r up _ < /proc/uptime; echo "${{up%%.*}}"; }}
until=$(($(now) + {_READY_S}))
until taken; do
    jobs > /dev/null # reaps it where it has ended
    if ! kill -0 $server 2> /dev/null || [ "$(now)" -ge $until ]; then
        kill -KILL -$server 2> /dev/null
        $box tail -c 300 "$log" >&2
        $box rm -f "$log"
        exit 1
    fi
    $box sleep 0.01
done
echo "$server $log"
"""
"""Arguments: the port in four hexadecimal digits, the transport, the server's command. It is in a
session of its own, so that it can be killed with what it starts."""

_STOP = f"""{_TAKEN}
port=$1 table=$2 looks=0
kill -KILL "-$3" 2> /dev/null # one that serves a single client may have ended
while taken && [ $looks -lt 500 ]; do looks=$((looks + 1)); $box sleep 0.01; done
$box tail -c 300 "$4"
$box rm -f "$4"
"""

_LIMIT_S = 60.0
"""For either command; the first gives up by itself before, and kills what it has started."""


@contextlib.contextmanager
def serving(place: Endpoint, workload: Workload, resources: Resources) -> Iterator[None]:
    """Have a workload's server listen in a place, for the length of the context.

    Raises:
        MeasurementError: It did not listen, or the context failed; the message holds the end of
            what it wrote.
    """
    assert workload.server is not None  # the caller has looked
    tool, command = workload.server.command[0], workload.server_args(resources, place.address)
    socket = (f"{workload.server.port:04X}", workload.server.transport)
    started = place.instance.run([*_SHELL, _START, "start", *socket, *command], timeout_s=_LIMIT_S)
    if started.exit_code != 0:
        raise MeasurementError(
            f"the server {tool} does not listen on {workload.server.transport} port "
            f"{workload.server.port}: {_said(started)}",
        )
    stop = [*_SHELL, _STOP, "stop", *socket, *started.stdout.decode().split()]
    try:
        yield
    except MeasurementError as error:
        with contextlib.suppress(MeasurementError):
            ended = place.instance.run(stop, timeout_s=_LIMIT_S)
            if said := ended.stdout.decode(errors="replace").strip():
                error.args = (f"{error}; its server said: {said}", *error.args[1:])
        raise
    place.instance.run(stop, timeout_s=_LIMIT_S)


def _said(completed: Completed) -> str:
    return completed.stderr.decode(errors="replace").strip() or "it said nothing"
