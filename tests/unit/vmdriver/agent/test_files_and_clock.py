"""Files and time against a shell of the host: the same busybox that the guest has."""

import subprocess
from pathlib import Path

import pytest

from vmdriver import VmError
from vmdriver.agent import clock, files
from vmdriver.agent.protocol import Completed


def run(script: str, *, stdin: bytes = b"", timeout_s: float | None = None) -> Completed:
    done = subprocess.run(
        ["busybox", "sh", "-c", script],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
    return Completed(done.returncode, done.stdout, done.stderr, 0, 0, 0)


def damaged(script: str, *, stdin: bytes = b"", timeout_s: float | None = None) -> Completed:
    return run(script, stdin=stdin.replace(b"a", b"b"), timeout_s=timeout_s)


def test_a_file_is_put_whole_and_got_back(tmp_path: Path) -> None:
    path = tmp_path / "it's\nodd"
    for content, mode in ((b"\0\xff\n" * 1000, 0o6711), (b"", 0o600)):
        files.put(run, str(path), content, mode, 10)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o7777 == mode
        assert files.get(run, str(path), 10) == files.GuestFile(content, mode)
    assert list(tmp_path.iterdir()) == [path]


def test_other_bytes_than_were_sent_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(VmError, match="put into the guest has other bytes there"):
        files.put(damaged, str(tmp_path / "file"), b"aaa", 0o644, 10)


def test_a_file_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "file.tare-partial").mkdir()
    (tmp_path / "file.tare-partial").mkdir()
    with pytest.raises(VmError, match=r"cannot put .* into the guest: .*directory"):
        files.put(run, str(tmp_path / "file"), b"aaa", 0o644, 10)


@pytest.mark.parametrize("name", ["nothing", "folder"])
def test_what_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(VmError, match=f"cannot get .*{name} from the guest: there is no such file"):
        files.get(run, str(tmp_path / name), 10)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    assert files.get(run, str(tmp_path / "link"), 10) == files.GuestFile(b"x", 0o640)


def test_our_own_clock_is_ours() -> None:
    found = clock.offset(run, 10)
    assert abs(found.offset_ns) <= found.uncertainty_ns + 2000  # it prints microseconds


def test_both_units_of_the_fraction_are_known() -> None:
    said = b"    status:       %d (X)\n    time.tv_sec:  5\n    time.tv_usec: 7\n"
    assert clock.parse_adjtimex(said % 64) == 5_000_007_000
    assert clock.parse_adjtimex(said % (64 | 0x2000)) == 5_000_000_007
    with pytest.raises(VmError, match="does not tell its time"):
        clock.parse_adjtimex(b"adjtimex: applet not found\n")


def test_a_clock_that_cannot_be_set_is_named() -> None:
    def refuses(script: str, *, stdin: bytes = b"", timeout_s: float | None = None) -> Completed:
        if "date" in script:
            return Completed(1, b"", b"date: can't set date: Operation not permitted\n", 0, 0, 0)
        return run(script, stdin=stdin, timeout_s=timeout_s)

    with pytest.raises(VmError, match=r"cannot be set: .*not permitted"):
        clock.synchronize(refuses, 10)
