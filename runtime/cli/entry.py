"""The files kept of a container: one directory with a few of them, below the root of all.

`status` is the record: JSON with the names that crun uses, so that what looks there finds them,
and some of our own. `config.json` is the bundle's as it was, for later processes. `start` is the
socket at which a created container waits; it goes with the start.
"""

from __future__ import annotations

import contextlib
import json
import os

from runtime.cli.record import Record
from runtime.errors import StateError
from runtime.recovery import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from runtime.cgroups import Group

_RECORD, _CONFIG, _SOCKET, _NOTIFY = "status", "config.json", "start", "notify"
_FILES = (_RECORD, f"{_RECORD}.part", _CONFIG, _SOCKET)
_LONGEST_ID = 255  # NAME_MAX of Linux
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
#: What a process executes until its workload does: the sealed copy of the executor.
EXECUTOR = "/memfd:executor (deleted)"


class Entry:
    """The directory of one container.

    Attributes:
        folder: its path.
        record: what its `status` says.
    """

    def __init__(self, folder: str, record: Record) -> None:
        self.folder = folder
        self.record = record

    @classmethod
    def make(cls, root: str, record: Record) -> Self:
        """Take a name: making its directory is the lock.

        Raises:
            StateError: the name is not usable or in use, or the root cannot be written.
        """
        check_id(record.id)
        folder = f"{root}/{record.id}"
        try:
            os.makedirs(root, 0o711, exist_ok=True)
            os.mkdir(folder, 0o711)
        except FileExistsError:
            raise StateError(f"container {record.id!r} already exists") from None
        except OSError as error:
            raise StateError(f"cannot make {folder}: {error.strerror}") from error
        entry = cls(folder, record)
        try:
            entry.write()
        except BaseException:
            entry.remove()
            raise
        return entry

    @classmethod
    def open(cls, root: str, name: str) -> Self:
        """Find a container.

        Raises:
            StateError: it does not exist, or its record cannot be read.
        """
        check_id(name)
        folder = f"{root}/{name}"
        try:
            with open(f"{folder}/{_RECORD}", "rb") as file:
                fields = json.load(file)
        except FileNotFoundError:
            if os.path.isdir(folder):
                raise HalfMadeError(folder) from None
            raise StateError(f"container {name!r} does not exist") from None
        except (OSError, ValueError) as error:
            raise StateError(f"the record {folder}/{_RECORD} cannot be read: {error}") from error
        try:
            return cls(folder, Record.of(fields))
        except ValueError as error:
            raise StateError(f"the record {folder}/{_RECORD} is damaged: {error}") from None

    @classmethod
    def all(cls, root: str) -> Iterator[Self]:
        """Every container below a root, by name."""
        try:
            names = sorted(os.listdir(root))
        except OSError:
            return
        for name in names:
            try:
                yield cls.open(root, name)
            except StateError:
                continue  # another command makes or deletes it just now

    def write(self) -> None:
        """Write the record, replaced in one step.

        Raises:
            StateError: it cannot be written, e.g. since somebody deletes the container meanwhile.
        """
        part = f"{self.folder}/{_RECORD}.part"
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            with os.fdopen(fd, "w") as file:
                json.dump(self.record.fields(), file)
                file.flush()
                os.fsync(fd)
            os.replace(part, f"{self.folder}/{_RECORD}")
        except OSError as error:
            raise StateError(f"cannot write {self.folder}/{_RECORD}: {error.strerror}") from error

    @property
    def config(self) -> str:
        """The copy of the bundle's configuration."""
        return f"{self.folder}/{_CONFIG}"

    @property
    def socket(self) -> str:
        """Where a created container waits for its start."""
        return f"{self.folder}/{_SOCKET}"

    @property
    def notify(self) -> str:
        """Directory of the socket at which a container says that it is ready (sd_notify(3))."""
        return f"{self.folder}/{_NOTIFY}"

    def group(self) -> Group | None:
        """Its control group; None where it has none."""
        if not self.record.cgroups:
            return None
        from runtime import cgroups

        found = self.record
        return cgroups.open_at(found.cgroups, made=found.made, spare=found.spare)

    def remember(self, group: Group) -> None:
        """Note a control group in the record and write that."""
        self.record.cgroups = dict(group.paths)
        self.record.made, self.record.spare = list(group.made), dict(group.spare)
        self.write()

    @property
    def alive(self) -> bool:
        """Whether its first process runs: one that has ended and is not reaped yet does not."""
        found = self.record
        if not found.pid or found.boot_id != processes.boot_id():
            return False
        started = processes.start_time(found.pid)
        return started is not None and started == found.start_time

    def status(self) -> str:
        """One of OCI's words: creating, created, running, paused, stopped."""
        if not self.record.pid:
            return "creating"
        if not self.alive:
            return "stopped"
        if _frozen(self.record.cgroups):
            return "paused"
        return "created" if self._waits() else "running"

    def _waits(self) -> bool:
        # the socket alone would not do: a start may be killed before it removes it
        if not os.path.exists(self.socket):
            return False
        program = processes.executable(self.record.pid)
        return program is None or program == EXECUTOR

    def remove(self) -> None:
        """Remove the directory: the files that we know, and itself when it is empty.

        Raises:
            StateError: something else is in it.
        """
        remove_folder(self.folder)


class HalfMadeError(StateError):
    """There is a directory without a record: who made it was killed, or is at it just now.

    Attributes:
        folder: of it.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(f"{folder} was never finished; remove it with delete --force")
        self.folder = folder


def remove_folder(folder: str) -> None:
    """Remove a container's directory: the files that we know, and itself when it is empty.

    Raises:
        StateError: something else is in it.
    """
    try:
        for name in _FILES:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")
        for name in (f"{folder}/{_NOTIFY}/{_NOTIFY}.sock", f"{folder}/{_NOTIFY}", folder):
            with contextlib.suppress(FileNotFoundError):
                (os.unlink if name.endswith(".sock") else os.rmdir)(name)
    except OSError as error:
        raise StateError(f"cannot remove {folder}: {error.strerror}") from error


def check_id(name: str) -> None:
    """Refuse what cannot be the name of a directory.

    Raises:
        StateError: invalid.
    """
    inner = _WORD | frozenset("+-.")
    if not name or name[0] in "-." or not inner.issuperset(name) or len(name) > _LONGEST_ID:
        wrong = next((sign for sign in name if sign not in inner), "")
        what = f"invalid character {wrong!r} in the" if wrong else "invalid"
        raise StateError(
            f"{what} container ID {name[:80]!r}; use up to {_LONGEST_ID} letters, digits, _ + - "
            "and ., and begin with none of - and ."
        )


def _frozen(groups: dict[str, str]) -> bool:
    path, wanted = f"{groups.get('freezer')}/freezer.state", b"FROZEN"
    if "unified" in groups:
        path, wanted = f"{groups['unified']}/cgroup.events", b"frozen 1"
    try:
        with open(path, "rb") as file:
            return wanted in file.read()
    except OSError:  # there is no freezer, or the group went meanwhile
        return False
