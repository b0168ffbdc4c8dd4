"""Signals to the processes of a group, on a directory that poses as one."""

import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cgroups import files


@pytest.fixture
def few_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
def test_more_processes_than_may_be_open_files_are_all_signalled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_AT_ONCE", 8)
    sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(80)]
    pids = "\n".join(str(one.pid) for one in sleepers)
    (tmp_path / "cgroup.procs").write_text(f"{pids}\n0\n")
    try:
        files.signal_each(str(tmp_path), signal.SIGTERM)
        assert {one.wait(30) for one in sleepers} == {-signal.SIGTERM}
    finally:
        for one in sleepers:
            one.kill()
            one.wait()
