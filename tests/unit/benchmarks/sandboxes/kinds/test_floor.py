from pathlib import Path

import pytest

from benchmarks.errors import UnsuitableHostError
from benchmarks.sandboxes import floor


def test_the_program_is_built_once(tmp_path: Path) -> None:
    program = floor.build(tmp_path)
    before = program.stat().st_mtime_ns
    assert floor.build(tmp_path) == program
    assert program.stat().st_mtime_ns == before
    assert [path.name for path in (tmp_path / "floor").iterdir()] == [program.name]


def test_a_host_without_a_compiler_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(UnsuitableHostError, match="install gcc"):
        floor.build(tmp_path / "cache")


def test_a_compiler_that_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken-cc"
    broken.write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(UnsuitableHostError, match=r"broken-cc cannot compile .*no headers here"):
        floor.build(tmp_path / "cache")
    assert list((tmp_path / "cache" / "floor").iterdir()) == []


def test_a_program_that_others_can_change_is_not_run(tmp_path: Path) -> None:
    floor.build(tmp_path).chmod(0o777)
    with pytest.raises(UnsuitableHostError, match="can be changed by others"):
        floor.build(tmp_path)
