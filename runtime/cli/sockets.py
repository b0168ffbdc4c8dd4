"""Sockets at paths of any length, and descriptors sent through them."""

from __future__ import annotations

import os
import socket
import struct

_LONGEST_PATH = 107  # struct sockaddr_un, see unix(7)
_FD = struct.Struct("=i")


def connect(channel: socket.socket, path: str) -> None:
    """Connect to a socket.

    Raises:
        OSError: nobody listens there.
    """
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        channel.connect(path)
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        channel.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


def bind(channel: socket.socket, path: str) -> None:
    """Make a socket at a path, for its owner alone.

    Raises:
        OSError: it cannot be made.
    """
    before = os.umask(0o177)
    try:
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            channel.bind(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
    finally:
        os.umask(before)


def send_descriptor(path: str, fd: int, data: bytes) -> None:
    """Send one descriptor to a stream socket that listens at a path, with some data.

    Raises:
        OSError: nobody listens there.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        connect(channel, path)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, _FD.pack(fd))]
        sent = channel.sendmsg([data], rights)
        channel.sendall(data[sent:])


def receive_descriptor(channel: socket.socket) -> int:
    """The descriptor that comes with the next message.

    Raises:
        OSError: none does.
    """
    space = socket.CMSG_SPACE(_FD.size)
    _, ancillary, _, _ = channel.recvmsg(4096, space, socket.MSG_CMSG_CLOEXEC)
    if not ancillary:
        raise OSError("no descriptor came")
    return int(_FD.unpack(ancillary[0][2][: _FD.size])[0])
