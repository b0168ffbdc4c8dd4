"""Requests that no engine of ours would send: the spawner answers them, and serves on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.spawner import wire
from runtime.spawner.server import Spawner
from tests.framework.fuzzing import DERANDOMIZED, examples

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runtime.spawner.launcher import Launcher


class _Launcher:
    """One that starts nothing."""

    manager = None

    def helpers(self) -> tuple[int, ...]:
        return ()

    def run(self, *_: object) -> None:
        raise PermissionError(1, "nothing is started here")

    enter = run

    @property
    def mounts(self) -> _Launcher:
        return self

    lower = native = run


@pytest.fixture
def spawner() -> Iterator[tuple[socket.socket, Spawner]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = signal.getsignal(signal.SIGCHLD)
    with ours, theirs:
        yield ours, Spawner(theirs, cast("Launcher", _Launcher()), None)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, before)


def served(spawner: tuple[socket.socket, Spawner], data: bytes, *, reply: bool) -> bool:
    """Whether it still serves after a message of these bytes."""
    ours, serving = spawner
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with one, other:
        fds = [other.fileno()] if reply else []
        socket.send_fds(ours, [data], fds)
        serving._on_request()
    return serving._open


WORDS = st.sampled_from(
    ["verb", "run", "exec", "start", "prepare", "status", "pids", "kill", "delete", "limit", "id",
     "container", "image", "mapping", "shared_root", "resources", "c1", "c1/1", ""]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | WORDS | st.text(max_size=4)
VALUES = st.recursive(SCALARS, lambda s: st.lists(s, max_size=3) | st.dictionaries(WORDS, s))
REQUESTS = st.dictionaries(WORDS, VALUES, max_size=8) | VALUES


@settings(
    max_examples=examples(20),
    derandomize=DERANDOMIZED,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(request=REQUESTS)
def test_no_request_is_too_strange(spawner: tuple[socket.socket, Spawner], request: Any) -> None:
    wire.send(spawner[0], request, (os.dup(0),))
    spawner[1]._on_request()
    assert spawner[1]._open


@pytest.mark.parametrize("reply", [True, False])
@pytest.mark.parametrize("data", [b"i", b"x", b"f", b"i\xff", b"i{", b"if"])
def test_no_message_ends_the_spawner(
    spawner: tuple[socket.socket, Spawner], data: bytes, *, reply: bool
) -> None:
    """It ended, and with it every container."""
    assert served(spawner, data, reply=reply)


def test_a_request_without_a_way_of_an_answer_is_passed_over(
    spawner: tuple[socket.socket, Spawner],
) -> None:
    wire.send(spawner[0], {"verb": "status", "id": "c1"})
    spawner[1]._on_request()
    assert spawner[1]._open
    with contextlib.suppress(OSError):
        wire.send(spawner[0], {"verb": "status", "id": "c1"}, (0,))  # no socket
    spawner[1]._on_request()
    assert spawner[1]._open
