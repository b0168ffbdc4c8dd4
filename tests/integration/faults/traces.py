"""What one campaign has on the host, told from what others have by the names of its engines."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import runtime
import vmdriver
from vmdriver.state import Layout

if TYPE_CHECKING:
    from types import TracebackType

_GONE_WITHIN_S = 10.0


class Watch:
    """Remembers the names of all engines that come to be below a state folder."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.names: set[str] = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._done.wait(0.01):
            self.names.update(path.name for path in self.state.glob("*/tare-*"))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def left(self) -> list[str]:
        """What is there although all that made it has ended, and has had time to go."""
        until = time.monotonic() + _GONE_WITHIN_S
        while (found := self._there()) and time.monotonic() < until:
            time.sleep(0.1)
        return found

    def _there(self) -> list[str]:
        """Processes, mounts, control groups and files."""
        layout = Layout.of(self.state / "vm")
        needles = (*self.names, str(self.state), str(layout.root))
        return sorted(
            [
                *_processes(needles),
                *(line for line in _lines("/proc/self/mountinfo") if _holds(line, needles)),
                *(f"group {path}" for path in _groups() if _holds(path, tuple(self.names))),
                *self._files(layout),
            ]
        )

    def _files(self, layout: Layout) -> list[str]:
        found = [
            f"file {path}"
            for path in self.state.rglob("*")
            if not path.is_dir()
            and path.name not in {"lock", "campaign.lock"}
            and layout.root not in path.parents  # libvirt's own cache, below
        ]
        for folder in self.state.glob("*/"):
            found += [*runtime.leftovers(folder), *vmdriver.leftovers(folder)]
        return found


def _processes(needles: tuple[str, ...]) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        said = [
            line for name in ("cmdline", "cgroup", "mountinfo") for line in _lines(entry / name)
        ]
        if any(_holds(line, needles) for line in said):
            found.append(f"process {entry.name} {_lines(entry / 'cmdline')}")
    return found


def _groups() -> list[str]:
    return [folder for folder, _, _ in os.walk("/sys/fs/cgroup")]


def _lines(path: Path | str) -> list[str]:
    try:
        return Path(path).read_text(errors="replace").splitlines()
    except OSError:
        return []


def _holds(text: str, needles: tuple[str, ...]) -> bool:
    return any(needle in text for needle in needles)
