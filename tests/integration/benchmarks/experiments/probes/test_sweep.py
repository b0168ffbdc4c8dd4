"""The sweep on the real kernel: a planted leak is found, and nothing on the host is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.experiments import sweep
from benchmarks.experiments.probes import Verdict
from benchmarks.experiments.sweep import host
from benchmarks.experiments.sweep.stimuli import Stimulus
from runtime.spec import profiles

if TYPE_CHECKING:
    import runtime
    from tests.integration.benchmarks.experiments.probes.conftest import Inside

FEW = ("/proc/", "/proc/sys/fs/", "/proc/sys/kernel/", "/sys/firmware/", "/proc/net/")
LOCKS = (Stimulus("lock", 77, 38.0),)


def few() -> list[str]:
    return [path for path in sweep.readable_files() if path.rpartition("/")[0] + "/" in FEW]


def swept(inside: Inside, spec: runtime.Spec, held: tuple[Stimulus, ...] = ()) -> sweep.Sweep:
    with inside(spec) as run:
        return sweep.collect(run, few(), held)


def unmasked(spec: runtime.Spec, path: str) -> runtime.Spec:
    """Plant a leak: the same container with one mask less."""
    assert path in spec.linux.masked_paths
    fewer = tuple(other for other in spec.linux.masked_paths if other != path)
    return replace(spec, linux=replace(spec.linux, masked_paths=fewer))


@pytest.fixture(scope="module")
def hardly(inside: Inside, default: runtime.Spec) -> sweep.Sweep:
    return swept(inside, default, LOCKS)


def by_path(found: sweep.Sweep) -> dict[str, sweep.FileFinding]:
    return {one.path: one for one in sweep.judge(found)}


def test_every_file_of_the_default_container_has_a_verdict(hardly: sweep.Sweep) -> None:
    assert hardly.error is None
    found = by_path(hardly)
    assert [one for one in found.values() if one.verdict is None] == []
    assert found["/proc/uptime"].verdict is Verdict.SHARED_LIVE
    assert found["/proc/interrupts"].verdict is Verdict.MASKED
    assert found["/proc/net/dev"].verdict is not Verdict.SHARED_LIVE
    assert found["/proc/sys/kernel/hostname"].verdict is Verdict.NAMESPACED


def test_locks_of_no_process_are_seen_both_ways_where_nothing_masks_them(
    inside: Inside, default: runtime.Spec, hardly: sweep.Sweep
) -> None:
    """No pid namespace hides a lock of an open file description."""
    assert by_path(hardly)["/proc/locks"].verdict is Verdict.MASKED
    with inside(unmasked(default, "/proc/locks")) as run:
        found = sweep.judge(sweep.collect(run, ["/proc/locks"], LOCKS))
    assert [one.verdict for one in found] == [Verdict.SHARED_LIVE]
    assert found[0].follows == ("lock",)
    assert sweep.Trait.CONTROLLABLE in found[0].traits


def test_one_mask_removed_is_found_and_nothing_else(
    inside: Inside, default: runtime.Spec, hardly: sweep.Sweep
) -> None:
    spec = unmasked(default, "/proc/interrupts")
    before, after = by_path(hardly), by_path(swept(inside, spec))
    assert after["/proc/interrupts"].verdict is Verdict.SHARED_LIVE
    seen = {
        path
        for path, one in after.items()
        if path in before
        and before[path].verdict is Verdict.MASKED
        and one.verdict is not Verdict.MASKED
    }
    assert seen == {"/proc/interrupts"}


def test_a_shared_network_namespace_is_found(inside: Inside, default: runtime.Spec) -> None:
    found = by_path(swept(inside, profiles.without(default, "net")))
    kept = {
        path
        for path in ("/proc/net/dev", "/proc/net/unix")
        if found[path].verdict is not Verdict.SHARED_LIVE
        and found[path].verdict is not Verdict.SHARED_CONSTANT
    }
    assert kept == set()


def test_reading_every_file_changes_nothing_on_the_host() -> None:
    """A sweep once made block devices by reading /sys/class/zram-control/hot_add."""
    folders = [path for path in Path("/sys/class").iterdir() if path.is_dir()]
    before = {path: sorted(entry.name for entry in path.iterdir()) for path in folders}
    paths = sweep.readable_files()
    answer = host.read(paths)
    assert len(answer.lines) == len(paths)
    assert not [line for line in answer.lines if line.startswith("X")]
    after = {path: sorted(entry.name for entry in path.iterdir()) for path in folders}
    # Others' tests make links and terminals of their own meanwhile.
    moving = {"net", "tty", "vc", "bdi"}
    assert {p for p in folders if before[p] != after[p] and p.name not in moving} == set()
