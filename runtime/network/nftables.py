"""libnftables through ctypes: rules as nft(8) reads them, in one transaction (libnftables(3)).

Not pyroute2, whose nftables part calls itself a prototype: it sends every rule as a transaction of
its own, cannot get what it added, and its ipv4addr() builds a wrong mask for every prefix that
is no multiple of eight.
"""

from __future__ import annotations

import ctypes
import json
import socket
from ctypes import c_char_p, c_int, c_uint, c_uint32, c_void_p
from functools import cache
from typing import Any

from runtime.network.errors import NatError

_LIBRARY = "libnftables.so.1"
_JSON = 1 << 4
_NETLINK_NETFILTER = 12


def run(commands: str) -> None:
    """Carry out commands of nft(8): all of them or none.

    Raises:
        NatError: libnftables is missing, or it or the kernel refuses.
    """
    _run(commands, 0)


def listed(command: str, kind: str) -> list[dict[str, Any]]:
    """Objects of one kind (table, chain …) that a list command prints (libnftables-json(5)).

    Raises:
        NatError: as with `run`.
    """
    objects = json.loads(_run(command, _JSON))["nftables"]
    return [entry[kind] for entry in objects if kind in entry]


def _run(commands: str, output: int) -> str:
    library = _load()
    context = library.nft_ctx_new(0)
    if not context:
        raise NatError("libnftables cannot begin: no memory")
    try:
        library.nft_ctx_output_set_flags(context, output)
        # else it prints on the harness's own standard output and error
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        if library.nft_run_cmd_from_buffer(context, commands.encode()) != 0:
            told = library.nft_ctx_get_error_buffer(context).decode("utf-8", "replace")
            reason = told.partition("\n")[0].removeprefix("Error: ")
            raise NatError(f"cannot {commands.partition('\n')[0]}: {reason or 'libnftables fails'}")
        return str(library.nft_ctx_get_output_buffer(context).decode())
    finally:
        library.nft_ctx_free(context)


def absent() -> str:
    """Why this host has no nftables for us, as a sentence; empty where it has."""
    # Where the kernel has no such sockets, nft_ctx_new() ends the whole process (exit(3)).
    try:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_NETFILTER).close()
    except OSError as error:
        return f"this host's kernel has no nftables: {error.strerror}; give the network nat=False"
    try:
        ctypes.CDLL(_LIBRARY)
    except OSError:
        return f"{_LIBRARY} is not installed; install libnftables1, or give the network nat=False"
    return ""


@cache
def _load() -> ctypes.CDLL:
    if reason := absent():
        raise NatError(reason)
    library = ctypes.CDLL(_LIBRARY)
    library.nft_ctx_new.argtypes = (c_uint32,)
    library.nft_ctx_new.restype = c_void_p
    library.nft_ctx_output_set_flags.argtypes = (c_void_p, c_uint)
    for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
        getattr(library, name).argtypes = (c_void_p,)
        getattr(library, name).restype = c_int
    for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
        getattr(library, name).argtypes = (c_void_p,)
        getattr(library, name).restype = c_char_p
    library.nft_run_cmd_from_buffer.argtypes = (c_void_p, c_char_p)
    library.nft_run_cmd_from_buffer.restype = c_int
    library.nft_ctx_free.argtypes = (c_void_p,)
    library.nft_ctx_free.restype = None
    return library
