"""Sums of a sweep, and what a run keeps of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.errors import RunFolderError
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import READINGS, VERDICTS, FileFinding, Sweep, Trait, totals

if TYPE_CHECKING:
    from pathlib import Path


def finding(
    path: str, verdict: Verdict | None = Verdict.SHARED_LIVE, **more: object
) -> FileFinding:
    return FileFinding(path=path, verdict=verdict, evidence="host: 1; sandbox: 1", **more)  # type: ignore[arg-type]


def test_every_file_is_counted_once() -> None:
    found = [
        finding("/a", traits=(Trait.VARYING, Trait.CONTROLLABLE)),
        finding("/b", Verdict.DENIED),
        finding("/c", Verdict.SHARED_CONSTANT, unconfirmed=True),
        finding("/d", None, error="broke"),
    ]
    counted = totals.totals(found, 3)
    assert counted.keys() == totals.TITLES.keys()
    assert counted["files_in_error"] == 1
    assert counted["files_unconfirmed"] == 1
    assert counted["files_varying"] == counted["files_controllable"] == 1
    assert counted["files_unreadable"] == 3
    verdicts = [f"files_{verdict.value.replace('-', '_')}" for verdict in Verdict]
    assert sum(counted[name] for name in [*verdicts, "files_in_error"]) == len(found)


def test_files_that_differ_in_a_number_stand_together() -> None:
    found = [
        finding("/sys/cpu0/x"),
        finding("/sys/cpu1/x"),
        finding("/sys/cpu2/x", None, error="e"),
    ]
    grouped = [(group.pattern, group.files) for group in totals.groups(found)]
    assert grouped == [("/sys/cpuN/x", 2), ("/sys/cpuN/x", 1)]


def test_profiles_are_compared_in_the_files_both_have_met() -> None:
    base = [finding("/a1", Verdict.MASKED), finding("/a2", Verdict.MASKED), finding("/b")]
    new = [finding("/a1"), finding("/a2"), finding("/b"), finding("/new")]
    assert totals.changes(base, new) == [("/aN", 2, "masked", "shared-live")]


def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    sweep = Sweep(paths=("/a",), host=(("T1",), ("T1",)), sandbox=(("N",), ("N",)))
    READINGS.write(tmp_path, sweep, "oci:runc")
    VERDICTS.write(tmp_path, [finding("/a"), finding("/b", None, error="e")], "oci:runc")
    assert READINGS.read(tmp_path, "oci:runc") == sweep
    assert [one.path for one in VERDICTS.read(tmp_path, "oci:runc") or ()] == ["/a", "/b"]
    assert READINGS.read(tmp_path, "vm") is None
    assert VERDICTS.read(tmp_path, "vm") is None


def test_damaged_evidence_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep-vm.json.gz").write_bytes(b"\x1f\x8bnot packed")
    (tmp_path / "sweep-vm.jsonl").write_text("{")
    with pytest.raises(RunFolderError, match=r"sweep-vm\.json\.gz is damaged"):
        READINGS.read(tmp_path, "vm")
    with pytest.raises(RunFolderError, match=r"sweep-vm\.jsonl is damaged"):
        VERDICTS.read(tmp_path, "vm")
