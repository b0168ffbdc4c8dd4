from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import RunFolderError
from benchmarks.results import reader
from benchmarks.results.journal import JournalWriter, Visit
from benchmarks.results.records import Sample, Status, Unit

if TYPE_CHECKING:
    from pathlib import Path


def sample(block: int, value: float, detail: str | None = None) -> Sample:
    return Sample(
        run="r",
        block=block,
        sandbox="fake",
        workload="startup",
        metric="startup_main_s",
        unit=Unit.SECONDS,
        status=Status.OK,
        started_at=1.5,
        value=value,
        detail=detail,
    )


def closing(block: int, samples: int) -> Visit:
    return Visit(block=block, sandbox="fake", samples=samples, seconds=0.5)


def write(path: Path, blocks: int) -> None:
    with JournalWriter(path) as writer:
        for block in range(blocks):
            writer.append([sample(block, 0.1), sample(block, 0.2)], closing(block, 2))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 3)
    content = reader.read(path)
    assert [s.block for s in content.samples] == [0, 0, 1, 1, 2, 2]
    assert [v.block for v in content.visits] == [0, 1, 2]
    assert content.discarded == 0


@given(cut=st.integers(min_value=1, max_value=2000))
@settings(deadline=None)  # it waits for a disk
def test_a_journal_cut_anywhere_keeps_every_closed_visit(
    tmp_path_factory: pytest.TempPathFactory,
    cut: int,
) -> None:
    path = tmp_path_factory.mktemp("cut") / "samples.jsonl"
    write(path, 3)
    data = path.read_bytes()
    path.write_bytes(data[: max(0, len(data) - cut)])
    content = reader.read(path)
    whole = data[: max(0, len(data) - cut)].count(b'"visit"')
    assert len(content.visits) in {whole, whole - 1}
    assert len(content.samples) == 2 * len(content.visits)


def test_writing_after_a_torn_line_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 2)
    path.write_bytes(path.read_bytes()[:-30])
    with JournalWriter(path) as writer:
        writer.append([sample(1, 0.3), sample(1, 0.4)], closing(1, 2))
    content = reader.read(path)
    assert [(s.block, s.value) for s in content.samples] == [(0, 0.1), (0, 0.2), (1, 0.3), (1, 0.4)]
    assert content.discarded == 2


def test_a_damaged_line_in_the_middle_is_refused_by_number(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"0.2", b"0.9")
    path.write_bytes(b"".join(lines))
    with pytest.raises(RunFolderError, match=r"samples\.jsonl:2: the line is damaged"):
        reader.read(path)


def test_a_full_disk_leaves_the_closed_visits(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 1)
    real = os.pwrite

    def half(descriptor: int, data: bytes, offset: int) -> int:
        real(descriptor, data[: len(data) // 2], offset)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with JournalWriter(path) as writer:
        monkeypatch.setattr(os, "pwrite", half)
        with pytest.raises(RunFolderError, match=r"No space left on device.*--resume"):
            writer.append([sample(1, 0.1)], closing(1, 1))
    assert len(reader.read(path).visits) == 1


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survive(
    tmp_path_factory: pytest.TempPathFactory,
    detail: str,
    value: float,
) -> None:
    path = tmp_path_factory.mktemp("any") / "samples.jsonl"
    with JournalWriter(path) as writer:
        writer.append([sample(0, value, detail)], closing(0, 1))
    (read,) = reader.read(path).samples
    assert (read.value, read.detail) == (value, detail)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["r", 'a "b"', "\N{SNOWMAN}"]),
            st.integers(0, 10**9),
            st.sampled_from([Status.OK, Status.FAILED]),
            st.none() | st.floats(allow_nan=False, allow_infinity=False),
            st.none() | st.sampled_from(["word", ',"started_at":1,"value":2', '"}}}\n{']),
            st.dictionaries(st.sampled_from(["position", "started_at"]), st.text(max_size=3)),
        ),
        max_size=12,
    )
)
@settings(deadline=None)  # it waits for a disk
def test_samples_of_any_form_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, given_samples: list[tuple[Any, ...]]
) -> None:
    written = [
        msgspec.structs.replace(
            sample(block, 1.0),
            run=run,
            status=status,
            value=value,
            text=text,
            detail=text,
            dimensions=dimensions,
        )
        for run, block, status, value, text, dimensions in given_samples
    ]
    path = tmp_path_factory.mktemp("forms") / "samples.jsonl"
    with JournalWriter(path) as writer:
        writer.append(written, closing(0, len(written)))
    read = reader.read(path).samples
    assert list(read) == written
    assert [read[place] for place in range(len(read))] == written


def test_a_journal_longer_than_a_piece_is_read_whole_and_refused_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.results.reader._PIECE_BYTES", 500)
    path = tmp_path / "samples.jsonl"
    write(path, 20)
    assert [s.block for s in reader.read(path).samples] == [b for b in range(20) for _ in "12"]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[40] = lines[40].replace(b"0.2", b"0.7")
    path.write_bytes(b"".join(lines))
    with pytest.raises(RunFolderError, match=r"samples\.jsonl:41: the line is damaged"):
        reader.read(path)


@pytest.mark.parametrize(
    ("was", "now", "why"),
    [
        (b'"value":0.1', b'"value":NaN', "JSON is malformed"),
        (b'"value":0.1', b'"value":"0.1"', "sample.value: Expected `float | null`, got `str`"),
        (b'"started_at":1.5', b'"started_at":1e300', "sample.started_at: Expected"),
        (b'"block":1', b'"block":99999999999999999999', "sample.block: Expected"),
        (b'"block":1', b'"block":-1', "sample.block: Expected"),
        (b'"unit":"s"', b'"unit":"furlong"', "sample.unit: Invalid enum value 'furlong'"),
        (b'"value":0.1', b'"other":' + b"[" * 100_000 + b"]" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_line_with_its_checksum_and_a_wrong_content_is_told_from_a_damaged_one(
    tmp_path: Path, was: bytes, now: bytes, why: str
) -> None:
    path = tmp_path / "samples.jsonl"
    write(path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    body = lines[3].partition(b'"body":')[2][:-2].replace(was, now)
    lines[3] = b'{"crc":%d,"body":%b}\n' % (zlib.crc32(body), body)
    path.write_bytes(b"".join(lines))
    with pytest.raises(RunFolderError) as error:
        reader.read(path)
    assert f"samples.jsonl:4: the line is whole, but holds neither a sample nor a visit: {why}" in (
        str(error.value)
    )
