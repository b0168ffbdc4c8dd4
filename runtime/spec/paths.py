"""JSON paths of a config.json: `mounts[3].destination`, `linux.sysctl["net.ipv4.ip_forward"]`."""

from __future__ import annotations


def member(path: str, key: str) -> str:
    """Path of an object's member; the document's own path is ""."""
    if key.isascii() and key.isidentifier():
        return f"{path}.{key}" if path else key
    import json  # seldom: hardly a key of the format is no plain word

    return f"{path}[{json.dumps(key)}]"


def split(path: str) -> list[str | int]:
    """The keys and indexes that a path leads through."""
    import json

    decoder = json.JSONDecoder()
    found: list[str | int] = []
    at = 0
    while at < len(path):
        if path[at] == "[":
            token, at = decoder.raw_decode(path, at + 1)
            at += 1
        else:
            at += path[at] == "."
            end = at
            while end < len(path) and path[end] not in ".[":
                end += 1
            token, at = path[at:end], end
        found.append(token)
    return found
