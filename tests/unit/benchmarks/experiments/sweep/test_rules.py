"""Verdicts on readings that are made up."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import FileFinding, Sweep, Trait, judge
from benchmarks.experiments.sweep.model import Response


def one(
    *lines: str,
    path: str = "/proc/thing",
    third: str | None = None,
    **more: Any,
) -> FileFinding:
    """Judge one file, read host, sandbox, host, sandbox."""
    h1, s1, h2, s2 = lines
    sweep = Sweep(paths=(path,), host=((h1,), (h2,)), sandbox=((s1,), (s2,)), **more)
    other = None
    if third is not None:
        column = (third,)
        other = Sweep(paths=(path,), host=(column,) * 2, sandbox=(column,) * 2, own_kernel=True)
    return judge(sweep, other)[0]


def again(*quartets: tuple[str, str, str, str]) -> dict[str, tuple[tuple[str, ...], ...]]:
    return {"/proc/thing": quartets}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("EEACCES", Verdict.DENIED),
        ("EEPERM", Verdict.DENIED),
        ("EENOENT", Verdict.ABSENT),
        ("EENODEV", Verdict.ABSENT),
        ("N", Verdict.MASKED),
        ("T", Verdict.MASKED),
        ("Tother", Verdict.NAMESPACED),
        ("T0000000000000000 start", Verdict.MASKED),
    ],
)
def test_what_is_kept_from_the_sandbox(said: str, verdict: Verdict) -> None:
    host = "Tffffffff81000000 start"
    assert one(host, said, host, said).verdict is verdict


def test_a_file_below_an_emptied_folder_is_masked_and_not_merely_absent() -> None:
    lines = ("Ta", "EENOENT", "Ta", "EENOENT")
    over = {"/proc/acpi": "tmpfs", "/proc/fs": "proc"}
    assert one(*lines, path="/proc/acpi/x", masks=over).verdict is Verdict.MASKED
    assert one(*lines, path="/proc/fs/x", masks=over).verdict is Verdict.ABSENT
    assert one(*lines, path="/proc/acpix", masks=over).verdict is Verdict.ABSENT


@pytest.mark.parametrize("said", ["EEIO", "Xreading it took too long and was given up"])
def test_a_reading_that_broke_is_an_error_and_never_safe(said: str) -> None:
    found = one("Ta", said, "Ta", said)
    assert found.verdict is None
    assert found.error


def test_a_sandbox_that_could_not_be_swept_errs_in_every_file() -> None:
    found = judge(Sweep(paths=("/a", "/b"), error="no python3"))
    assert [f.error for f in found] == ["no python3"] * 2
    assert {f.verdict for f in found} == {None}


def test_equal_and_unchanging_is_a_leak_only_if_an_unrelated_kernel_reads_something_else() -> None:
    same = ("T7",) * 4
    alone, beside, apart = one(*same), one(*same, third="T7"), one(*same, third="T8")
    lacking = one(*same, third="EENOENT")
    assert (alone.verdict, alone.unconfirmed) == (Verdict.SHARED_CONSTANT, True)
    assert (lacking.verdict, lacking.unconfirmed) == (Verdict.SHARED_CONSTANT, True)
    assert (beside.verdict, beside.unconfirmed) == (Verdict.SHARED_CONSTANT, False)
    assert apart.verdict is Verdict.SHARED_LIVE
    assert apart.traits == (Trait.UNIQUE,)
    assert "reads 8" in apart.evidence


def test_a_counter_between_the_hosts_readings_is_the_hosts() -> None:
    lines = ("T5000", "T5003", "T5007", "T5009")
    found = one(*lines, again=again(lines, lines, lines))
    assert found.verdict is Verdict.SHARED_LIVE
    assert found.traits == (Trait.VARYING,)


def test_a_counter_of_its_own_is_not() -> None:
    lines = ("T5000", "T12", "T5007", "T15")
    assert one(*lines, again=again(lines, lines)).verdict is Verdict.NAMESPACED


def test_a_sandbox_that_moves_while_the_host_stands_still_reads_its_own() -> None:
    lines = ("T5", "T7", "T5", "T9")
    assert one(*lines, again=again(lines)).verdict is Verdict.NAMESPACED


def test_one_reading_that_disagrees_does_not_hide_four_that_agree() -> None:
    good, bad = ("T9 1", "T9 1", "T9 1", "T9 1"), ("T9 1", "T4 1", "T9 1", "T8 1")
    found = one(*bad, again=again(bad, good, good, good, good))
    assert found.verdict is Verdict.SHARED_LIVE
    assert "4 of 5" in found.evidence


def test_what_follows_the_host_is_the_hosts_even_where_its_numbers_stray() -> None:
    lines = ("T100", "T400", "T90", "T500")
    follows = Response(act="lock", host=1, sandbox=1, unmoved=0, example="host +60, sandbox +60")
    found = one(*lines, responses={"/proc/thing": (follows,)}, influence={"/proc/thing": ("lock",)})
    assert found.verdict is Verdict.SHARED_LIVE
    assert found.follows == ("lock",)
    assert Trait.CONTROLLABLE in found.traits
    assert "host +60, sandbox +60" in found.evidence


def test_what_stays_still_while_the_hosts_moves_is_its_own_though_equal_before() -> None:
    still = Response(act="fork", host=1, sandbox=0, unmoved=1, example="host +50, sandbox +0")
    found = one("T7", "T7", "T7", "T7", responses={"/proc/thing": (still,)}, third="T8")
    assert found.verdict is Verdict.NAMESPACED


def test_a_kernel_of_its_own_shares_nothing_by_chance() -> None:
    own = {"own_kernel": True}
    assert one("T7", "T7", "T7", "T7", **own).verdict is Verdict.SHARED_CONSTANT
    assert one("T7", "EEIO", "T7", "EEIO", **own).verdict is Verdict.ABSENT
    still = ("T0", "T3772", "T0", "T9246")
    assert one(*still, again=again(still), **own).verdict is Verdict.NAMESPACED
    small = ("T1 2", "T1 3", "T2 3", "T2 4")
    assert one(*small, again=again(small), **own).verdict is Verdict.NAMESPACED


def test_a_list_of_the_readers_network_namespace_may_be_empty() -> None:
    found = one("Teth0", "T", "Teth0", "T", path="/proc/net/arp_list")
    assert found.verdict is Verdict.NAMESPACED
