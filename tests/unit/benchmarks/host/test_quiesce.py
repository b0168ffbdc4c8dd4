"""Coming to rest between visits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.host import quiesce

if TYPE_CHECKING:
    from pathlib import Path


class Host:
    """A host whose count of runnable tasks changes with every look; the last one stays."""

    def __init__(self, root: Path, *runnable: int) -> None:
        self._file = root / "proc/loadavg"
        self._file.parent.mkdir()
        self._coming = list(runnable)
        self.looks = 1
        self.sleep(0.0)
        self.looks = 1

    def sleep(self, _seconds: float) -> None:
        now = self._coming.pop(0) if len(self._coming) > 1 else self._coming[0]
        self._file.write_text(f"0.10 0.20 0.30 {now}/321 4711\n", encoding="ascii")
        self.looks += 1


@pytest.mark.parametrize(
    ("runnable", "looks"),
    [((1,), 3), ((2, 1), 4), ((1, 1, 2, 1), 6)],
    ids=["at-rest", "after-one", "again-busy"],
)
def test_rest_is_three_quiet_looks_in_a_row(
    tmp_path: Path, runnable: tuple[int, ...], looks: int
) -> None:
    host = Host(tmp_path, *runnable)
    assert quiesce.settled(2, limit_s=60, root=tmp_path, sleep=host.sleep)
    assert host.looks == looks


def test_a_host_with_other_work_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    host = Host(tmp_path, 3)
    assert not quiesce.settled(2, limit_s=0.0, root=tmp_path, sleep=host.sleep)
    assert quiesce.settled(8, limit_s=60, root=tmp_path, sleep=host.sleep)


@pytest.mark.parametrize("text", ["", "nonsense\n", "1 2 3 x/y 5\n"])
def test_a_host_that_does_not_tell_is_taken_as_it_is(tmp_path: Path, text: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text(text, encoding="ascii")
    assert quiesce.settled(2, root=tmp_path)
