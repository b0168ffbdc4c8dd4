"""Messages between engine and spawner."""

from __future__ import annotations

import os
import resource
import socket
from typing import TYPE_CHECKING

import pytest

from runtime.spawner import wire

if TYPE_CHECKING:
    from collections.abc import Iterator


Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def test_descriptors_without_room_for_them_are_an_error(pair: Pair) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wire.send(pair[0], "message", (0, 0, 0))
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 1, hard))
    try:
        with pytest.raises(wire.LostError):
            wire.receive(pair[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    again = os.dup(0)
    os.close(again)
    assert again == lowest  # what came is closed again


@pytest.mark.parametrize("size", [0, 100, 70_000, 3_000_000])
def test_messages_of_any_size_arrive(pair: Pair, size: int) -> None:
    wire.send(pair[0], {"data": b"x" * size})
    message, fds = wire.receive(pair[1])
    assert message == {"data": b"x" * size}
    assert fds == []


@pytest.mark.parametrize("size", [10, 100_000])
def test_descriptors_travel_along_and_are_close_on_exec(pair: Pair, size: int) -> None:
    inside, outside = os.pipe()
    wire.send(pair[0], "x" * size, (outside,))
    _, (received,) = wire.receive(pair[1])
    assert not os.get_inheritable(received)
    os.write(received, b"through")
    assert os.read(inside, 10) == b"through"
    for fd in (inside, outside, received):
        os.close(fd)


def test_a_closed_end_is_the_end(pair: Pair) -> None:
    pair[0].close()
    with pytest.raises(EOFError):
        wire.receive(pair[1])
