"""One object of the document: hands out typed members, and keeps what nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.errors import SpecError
from runtime.oci.document import NAME, kind
from runtime.spec.hints import nearest, short, unknown
from runtime.spec.paths import member

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

UINT16, UINT32, UINT64 = range(2**16), range(2**32), range(2**64)
INT32, INT64 = range(-(2**31), 2**31), range(-(2**63), 2**63)

#: With more unknown members than this, no misspelling explains them.
_HINTED = 10


class Aside:
    """What is kept without being acted upon, for the whole document.

    Attributes:
        unknown: value by JSON path, in the order of the document.
        notes: sentences about what has no effect.
    """

    def __init__(self) -> None:
        self.unknown: dict[str, Any] = {}
        self.notes: list[str] = []

    def keep(self, path: str, value: Any, reason: str = "") -> None:
        """Keep a value; with a reason, say what becomes of it."""
        self.unknown[path] = value
        if reason:
            self.notes.append(f"{path}: {reason}")


class Node:
    """One object. Reading a member takes it out; `close` keeps what is left.

    A null and an absent member are the same, as they are to the runtimes written in Go.

    Args:
        path: of the object, "" for the document.
        value: what is there.
        aside: takes what is not acted upon.

    Raises:
        SpecError: it is no object.
    """

    def __init__(self, path: str, value: Any, aside: Aside) -> None:
        self.path = path
        self.aside = aside
        self._whole = _object(path, value)
        self._left = dict(self._whole)
        self._known: list[str] = []

    def at(self, key: str) -> str:
        """JSON path of a member."""
        return member(self.path, key)

    def close(self) -> None:
        """Keep every member that was not read, and say so: it may be a misspelt one."""
        for key, value in self._left.items():
            close = nearest(key, self._known) if len(self._left) <= _HINTED else None
            hint = f"; did you mean {close!r}?" if close else ""
            self.keep(key, value, f"is not known to this runtime and has no effect{hint}")
        self._left.clear()

    def keep(self, key: str, value: Any, reason: str = "") -> None:
        """Keep a member that was read, but has no effect."""
        self.aside.keep(self.at(key), value, reason)

    def keep_whole(self, reason: str = "") -> None:
        """Keep the object itself, since nothing of it has an effect."""
        self.aside.keep(self.path, self._whole, reason)
        self._left.clear()

    def take(self, key: str) -> Any:
        """The member as it is, None where it is absent or null."""
        self._known.append(key)
        return self._left.pop(key, None)

    def require(self, value: Any, key: str) -> Any:
        """The value, unless it is None.

        Raises:
            SpecError: it is.
        """
        if value is None:
            raise SpecError(self.at(key), "is missing")
        return value

    def text(self, key: str) -> str | None:
        """A string; None where it is absent or empty, which to OCI is the same."""
        value = self.take(key)
        return None if value is None else _text(self.at(key), value) or None

    def word(self, key: str, what: str, known: Collection[str]) -> str | None:
        """A string out of a closed list; None where it is absent or empty."""
        value = self.text(key)
        if value is not None and value not in known:
            raise unknown(self.at(key), value, what, known)
        return value

    def integer(self, key: str, allowed: range) -> int | None:
        """A whole number within a range."""
        value = self.take(key)
        return None if value is None else _integer(self.at(key), value, allowed)

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self.take(key)
        if value is not None and not isinstance(value, bool):
            raise SpecError(self.at(key), f"must be true or false, not {kind(value)}")
        return value

    def node(self, key: str) -> Node | None:
        """An object."""
        value = self.take(key)
        return None if value is None else Node(self.at(key), value, self.aside)

    def nodes(self, key: str) -> Iterator[Node]:
        """The objects of a list, each closed after its turn."""
        for path, value in self._items(key):
            entry = Node(path, value, self.aside)
            yield entry
            entry.close()

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings of a list."""
        return tuple(_text(path, value) for path, value in self._items(key))

    def integers(self, key: str, allowed: range) -> tuple[int, ...]:
        """The whole numbers of a list."""
        return tuple(_integer(path, value, allowed) for path, value in self._items(key))

    def words(self, key: str, what: str, known: Collection[str]) -> tuple[str, ...]:
        """The strings of a list, each out of a closed one."""
        found = self.texts(key)
        for number, value in enumerate(found):
            if value not in known:
                raise unknown(f"{self.at(key)}[{number}]", value, what, known)
        return found

    def text_map(self, key: str) -> dict[str, str]:
        """An object of strings."""
        return {name: _text(path, value) for name, path, value in self._members(key)}

    def node_map(self, key: str) -> Iterator[tuple[str, Node]]:
        """An object of objects, each closed after its turn."""
        for name, path, value in self._members(key):
            entry = Node(path, value, self.aside)
            yield name, entry
            entry.close()

    def refuse_unless(self, key: str, harmless: Callable[[Any], bool], reason: str) -> None:
        """Refuse a member that asks for what this runtime cannot do; keep one that asks nothing.

        Args:
            key: its name.
            harmless: whether a value asks for nothing.
            reason: what the container would be without.

        Raises:
            SpecError: it asks for something.
        """
        value = self.take(key)
        if value is None:
            return
        if not harmless(value):
            raise SpecError(self.at(key), reason)
        self.keep(key, value)

    def _items(self, key: str) -> Iterator[tuple[str, Any]]:
        value = self.take(key)
        if value is None:
            return
        if not isinstance(value, (list, tuple)):
            raise SpecError(self.at(key), f"must be a list, not {kind(value)}")
        for number, entry in enumerate(value):
            yield f"{self.at(key)}[{number}]", entry

    def _members(self, key: str) -> Iterator[tuple[str, str, Any]]:
        value = self.take(key)
        if value is None:
            return
        path = self.at(key)
        for name, entry in _object(path, value).items():
            yield name, member(path, _text(path, name)), entry


def _object(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SpecError(path or NAME, f"must be an object, not {kind(value)}")
    for key in value:
        if not isinstance(key, str):
            raise SpecError(path or NAME, f"has a key that is no string: {short(key)}")
    return value


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise SpecError(path, f"must be a string, not {kind(value)}")
    if "\0" in value:
        raise SpecError(path, "holds a NUL byte")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise SpecError(path, "holds half of a surrogate pair, which is no character") from None
    return value


def _integer(path: str, value: Any, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise SpecError(path, f"must be a whole number, not {kind(value)}")
    if value not in allowed:
        raise SpecError(path, f"{short(value)} is outside {allowed.start} to {allowed.stop - 1}")
    return value
