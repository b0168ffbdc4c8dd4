"""Building the executor: by several at once, and where others can write."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from runtime import executor
from runtime.errors import UnsupportedError

#: Takes its time, as a compiler does, and writes in two parts.
COMPILER = """#!/bin/sh
while [ "$1" != -o ]; do shift; done
printf first > "$2"; sleep 0.1; printf second >> "$2"
"""


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "cc"
    program.write_text(COMPILER)
    program.chmod(0o755)
    monkeypatch.setenv("CC", str(program))


def test_builds_at_once_leave_one_complete_program(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        built = set(pool.map(executor.build, [tmp_path] * 4))
    (program,) = built
    assert program.read_text() == "firstsecond"
    assert list(program.parent.iterdir()) == [program]


def test_a_program_of_another_user_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.build(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", lambda _: SimpleNamespace(st_uid=12345, st_mode=0o100755))
        with pytest.raises(UnsupportedError, match=r"changed by others .* set XDG_CACHE_HOME"):
            executor.build(tmp_path)


def test_a_program_that_others_can_write_is_not_run(tmp_path: Path) -> None:
    executor.build(tmp_path).chmod(0o777)
    with pytest.raises(UnsupportedError, match="changed by others"):
        executor.build(tmp_path)


def test_a_folder_made_under_a_lax_umask_is_shut(tmp_path: Path) -> None:
    (tmp_path / "executor").mkdir()
    (tmp_path / "executor").chmod(0o775)
    executor.build(tmp_path)
    assert (tmp_path / "executor").stat().st_mode & 0o022 == 0


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnsupportedError, match=r"cannot build .*file/executor"):
        executor.build(tmp_path / "file")


def test_a_folder_that_others_could_exchange_is_not_used(tmp_path: Path) -> None:
    """Between the look at its owner and its execution it could become another."""
    cache = tmp_path / "open" / "cache"
    cache.mkdir(parents=True)
    cache.parent.chmod(0o777)
    with pytest.raises(UnsupportedError, match=r"open can be changed by others .* XDG_CACHE_HOME"):
        executor.build(cache)
    cache.parent.chmod(0o1777)  # as /tmp is, where nobody can rename what is another's
    assert executor.build(cache).exists()


def test_a_link_on_the_way_is_resolved_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert executor.build(tmp_path / "link").parent == tmp_path / "real" / "executor"


def test_a_hardened_program_is_position_independent_and_guarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC")
    source = tmp_path / "tiny.c"
    source.write_text("int main(int n, char **v) { char t[9]; t[n] = **v; return t[n]; }\n")
    program = executor.compiled("tiny", [source], tmp_path, hardened=True)
    head = program.read_bytes()[:18]
    assert head[16:18] in (b"\3\0", b"\0\3")  # ET_DYN
    assert b"stack smashing detected" in program.read_bytes()


def test_root_of_a_user_namespace_has_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after ``unshare -Ur``: the host's /var/cache is not its to write."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(executor, "_all_ids", lambda: False)
    assert executor._cache() == Path.home() / ".cache" / "tare"
    monkeypatch.setattr(executor, "_all_ids", lambda: True)
    assert executor._cache() == Path("/var/cache/tare")
