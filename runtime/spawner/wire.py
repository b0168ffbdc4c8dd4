"""Messages between the engine and its spawner: marshal over a SEQPACKET socket, with descriptors.

Both ends are the same interpreter of the same tree, so marshal's format cannot differ between
them; it is twenty times as fast to import as json and needs no memory of its own.
"""

from __future__ import annotations

import array
import errno
import marshal
import os
import socket
from typing import Any

_INLINE_BYTES = 64 * 1024
#: SCM_MAX_FD of the kernel (unix(7)).
_MAX_DESCRIPTORS = 253


class LostError(OSError):
    """A message came torn, or without all of its descriptors: this process can open no more."""


def send(channel: socket.socket, message: Any, descriptors: tuple[int, ...] = ()) -> None:
    """Send one message; a large one travels as a memory file.

    Raises:
        OSError: the other end is gone, or a descriptor is not open.
    """
    data = marshal.dumps(message)
    if len(data) <= _INLINE_BYTES:
        _send(channel, b"i" + data, descriptors)
        return
    spill = os.memfd_create("tare-message", os.MFD_CLOEXEC)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(spill, view) :]
        _send(channel, b"f", (spill, *descriptors))
    finally:
        os.close(spill)


def receive(channel: socket.socket) -> tuple[Any, list[int]]:
    """Receive one message and its descriptors (close-on-exec).

    Raises:
        EOFError: the other end is closed.
        LostError: there is no room for the descriptors, or it is no message; it is gone.
        OSError: the socket failed.
    """
    space = socket.CMSG_SPACE(_MAX_DESCRIPTORS * 4)
    data, ancillary, flags, _ = channel.recvmsg(_INLINE_BYTES + 1, space, socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) // 4 * 4])
    if not data:
        raise EOFError
    fds = list(descriptors)
    if flags & socket.MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        raise LostError(errno.EMFILE, os.strerror(errno.EMFILE))
    try:
        if data[:1] != b"i":
            data = data[:1] + _spilled(fds)
        return marshal.loads(data[1:]), fds  # noqa: S302  # our own process wrote it
    except (EOFError, ValueError, TypeError, OSError) as error:
        for fd in fds:
            os.close(fd)
        raise LostError(errno.EBADMSG, f"a message cannot be read: {error}") from error


def _spilled(fds: list[int]) -> bytes:
    """What travelled as a memory file, the first of the descriptors."""
    if not fds:
        raise ValueError("it has no file")
    spill = fds.pop(0)
    try:
        return os.pread(spill, os.fstat(spill).st_size, 0)
    finally:
        os.close(spill)


def _send(channel: socket.socket, data: bytes, descriptors: tuple[int, ...]) -> None:
    ancillary = []
    if descriptors:
        rights = array.array("i", descriptors)
        ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, rights))
    channel.sendmsg([data], ancillary)
