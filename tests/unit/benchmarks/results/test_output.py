"""What stands where a file is asked for stays what it is, and a run keeps its own files."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import reports
from benchmarks.errors import OutputError
from benchmarks.results import output, runfolder

REPORT = (sys.executable, "-m", "tare", "report")


def test_a_regular_file_is_replaced_and_no_other_left(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old and longer")
    output.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_a_device_is_written_into(tmp_path: Path) -> None:
    output.write(Path(os.devnull), b"gone")
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    if os.geteuid() == 0:
        device = tmp_path / "full"
        os.mknod(device, stat.S_IFCHR | 0o600, os.makedev(1, 7))
        with pytest.raises(OutputError, match="No space left on device"):
            output.write(device, b"x")
        assert stat.S_ISCHR(device.lstat().st_mode)


def test_a_fifo_is_written_into(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    output.write(path, b"x" * 200_000)
    reader.join()
    assert read == [b"x" * 200_000]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("something longer")
    for name, target in (("link", "there"), ("dangling", "new")):
        (tmp_path / name).symlink_to(target)
        output.write(tmp_path / name, b"said")
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_bytes() == b"said"


def test_what_standard_output_is_appended_to_is_not_cut(fake_run: Path, tmp_path: Path) -> None:
    with (tmp_path / "log").open("ab") as log:
        log.write(b"before\n")
        log.flush()
        args = (*REPORT, str(fake_run), "--format", "csv", "--out", "/dev/stdout")
        subprocess.run(args, stdout=log, check=True)
    assert (tmp_path / "log").read_bytes().startswith(b"before\nrun,block,sandbox")


@pytest.mark.parametrize(
    "way", ["samples.jsonl", "run.json", "logs", "logs/fake.log", "new/../samples.jsonl", "link"]
)
def test_a_run_keeps_its_own_files(fake_run: Path, way: str) -> None:
    (fake_run / "logs" / "fake.log").write_text("kept")
    (fake_run / "link").symlink_to("samples.jsonl")
    before = {path: path.read_bytes() for path in fake_run.rglob("*") if path.is_file()}
    run = runfolder.load(fake_run)
    with pytest.raises(reports.ReportWriteError, match="part of the run in"):
        reports.write(run, "csv", fake_run / way)
    assert {path: path.read_bytes() for path in fake_run.rglob("*") if path.is_file()} == before


def test_another_runs_files_are_kept_too(fake_run: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "run.json").write_text("{}")
    with pytest.raises(reports.ReportWriteError, match="give another file"):
        reports.write(runfolder.load(fake_run), "csv", tmp_path / "other" / "samples.jsonl")


def test_files_of_those_names_elsewhere_are_nobodys(tmp_path: Path) -> None:
    output.write(tmp_path / "samples.jsonl", b"x")
    assert (tmp_path / "samples.jsonl").read_bytes() == b"x"


@pytest.mark.parametrize("name", ["no/folder", "n" * 300, "nul\0", ".", "loop"])
def test_what_cannot_be_written_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OutputError, match=r"cannot write .*give a file") as error:
        output.write(tmp_path / name, b"x")
    assert str(error.value).isprintable()
