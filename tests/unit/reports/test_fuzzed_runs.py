"""Run folders with anything wrong in them are reported and compared, or refused in a sentence.

Kept runs of real measurements are changed at random: values of other types and sizes, missing
and doubled keys and lines, damaged bytes. `scripts/fuzz SECONDS` does it for longer.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import reports
from benchmarks.errors import BenchmarkError
from benchmarks.results import runfolder
from tests.unit.reports.test_kept_runs import NAMES, RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.results.runfolder import Run

EXAMPLES = int(os.environ.get("TARE_FUZZ_EXAMPLES", "12"))
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31 - 1, 2**70, -0.0, 1e-320, 1e308, -1e308, 253402300799.9,
    "", " ", "0", "nan", "\x1b[31m\0\u202e", "ok", "word", "s", "fake", "container", "vm",
    "startup", "x" * 5000, "\ud800", [],
    [[]], [None], ["a", "a"], {}, {"": {}}, {"a": [1, "b", None]},
)  # fmt: skip

type Place = tuple[dict[str, Any] | list[Any], Any]


def places(value: Any) -> list[Place]:
    """Return every place in plain data that holds something."""
    found: list[Place] = []
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def change(value: dict[str, Any], rng: random.Random) -> None:
    """Change one place of plain data."""
    where = places(value)
    if not where:
        return
    parent, key = rng.choice(where)
    kind = rng.randrange(8)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.append(parent[key])
    elif kind == 2:  # what stands elsewhere
        other, there = rng.choice(where)
        parent[key] = json.loads(json.dumps(other[there]))
    elif kind == 3 and isinstance(parent[key], int | float):
        parent[key] *= rng.choice([-1, 0, 1e-9, 1e9, 1e300, 2**40])
    else:
        parent[key] = rng.choice(ODD)


def change_lines(data: bytes, rng: random.Random) -> bytes:
    """Change lines of a journal; their checksums are right again."""
    lines = data.splitlines(keepends=True)
    some = rng.sample(range(len(lines)), min(len(lines), rng.choice([1, 2, 30])))
    kind = rng.randrange(6)
    template = random.Random(rng.random())
    state = template.getstate()
    for place in some:
        body = json.loads(lines[place])["body"]
        if kind == 0:
            lines[place] = b""
        elif kind == 1:
            lines[place] *= 2
        elif kind == 2:
            lines[place] = lines[rng.randrange(len(lines))]
        else:
            if kind == 3:
                template.setstate(state)  # the same change in all of them
            change(body, template)
            raw = json.dumps(body, separators=(",", ":")).encode()
            lines[place] = b'{"crc":%d,"body":%b}\n' % (zlib.crc32(raw), raw)
    return b"".join(lines)


def damage(data: bytes, rng: random.Random) -> bytes:
    """Change, cut or add bytes."""
    at = rng.randrange(len(data) + 1)
    return rng.choice(
        [data[:at], data[:at] + rng.randbytes(3) + data[at + 3 :], data[at:], data + b"\0\n"]
    )


def spoil(folder: Path, rng: random.Random) -> None:
    """Change files of a run folder."""
    for _ in range(rng.choice([1, 1, 2, 6])):
        kind = rng.randrange(10)
        file = folder / ("run.json" if kind < 4 else "samples.jsonl")
        if kind >= 8:
            file = rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
            file.write_bytes(damage(file.read_bytes(), rng))
            continue
        data = file.read_bytes()
        try:
            if kind < 4:
                info = json.loads(data)
                change(info, rng)
                data = json.dumps(info).encode("utf-8", "surrogatepass")
            else:
                data = change_lines(data, rng)
        except (ValueError, AttributeError, TypeError, KeyError, OverflowError):
            data = damage(data, rng)  # it was spoiled before
        file.write_bytes(data)


def use(changed: Path, whole: Run, form: str) -> None:
    """Do what `tare report` and `tare compare` do; only our own errors may come."""
    try:
        run = runfolder.load(changed)
        if form in reports.FORMATS:
            reports.render(run, form).encode("utf-8", "replace")
        elif form == "summary":
            reports.summary(run)
        elif form == "looks":
            reports.readings(run, {"leaks", "controls", "sweep", "surface", "channels"})
            reports.render_looks(run, {"leaks", "sweep", "surface", "channels", "interference"})
        else:
            pair = (run, whole) if form == "base" else (whole, run)
            for fmt in reports.COMPARISON_FORMATS:
                reports.render_comparison(reports.compare(*pair), fmt)
    except (BenchmarkError, reports.ReportError) as error:
        said = str(error)
    else:
        said = "used"
    assert len(said.splitlines()) == 1, said


@pytest.fixture(scope="module")
def whole() -> dict[str, Run]:
    return {name: runfolder.load(RUNS / name) for name in NAMES}


@pytest.mark.parametrize("form", [*reports.FORMATS, "summary", "looks", "base", "new"])
@given(name=st.sampled_from(NAMES), rng=st.randoms(use_true_random=False))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    # of the long run alone each is another: a check of every change must not depend on luck
    derandomize="TARE_FUZZ_EXAMPLES" not in os.environ,
)
def test_a_changed_run_is_used_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    whole: dict[str, Run],
    form: str,
    name: str,
    rng: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(RUNS / name, folder)
    try:
        spoil(folder, rng)
        use(folder, whole[name], form)
    finally:
        shutil.rmtree(folder.parent)
