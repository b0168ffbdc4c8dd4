"""A publication laid beside a run: each verdict, and who may say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

import reports
from benchmarks import published, workloads
from benchmarks.campaign import config
from benchmarks.errors import CampaignError
from benchmarks.experiments.base import catalogue
from benchmarks.sandboxes import find
from reports.claims.reproduction import Reproduced, ReproducedRow

if TYPE_CHECKING:
    from benchmarks.results.runfolder import Run
    from tests.unit.reports.conftest import Synthetic

XZ = "PXZ compression, from the paper"


def laid(run: Run, name: str = "felter2014") -> Run:
    """The run, as a campaign that reproduces a publication would have left it."""
    measured = tuple({sample.workload for sample in run.samples})
    plan = {**run.info.campaign, "reproduces": name, "workloads": measured}
    return run._replace(info=msgspec.structs.replace(run.info, campaign=plan))


def rows(run: Run, title: str, system: str) -> ReproducedRow:
    found = reports.document(run).reproduction
    assert found is not None
    return next(row for row in found.rows if (row.title, row.system) == (title, system))


def xz(synthetic: Synthetic, container: float, vm: float = 80.0) -> Run:
    synthetic.rates = {"xz": {"native": 100.0, "container": container, "vm": vm}}
    return laid(synthetic.build())


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [
        (97.0, Reproduced.YES),
        (95.2, Reproduced.YES),  # on the edge of being alike
        (92.5, Reproduced.YES),  # over that edge, and 4 % from the published value all the same
        (85.0, Reproduced.NO),  # near enough, but slower where the publication has them alike
        (50.0, Reproduced.NO),
        (140.0, Reproduced.NO),
    ],
)
def test_a_container_is_held_against_the_published_ratio(
    synthetic: Synthetic, rate: float, verdict: Reproduced
) -> None:
    synthetic.spread = 0.003
    row = rows(xz(synthetic, rate), XZ, "container / native")
    assert row.verdict is verdict
    assert row.published == pytest.approx(73.5 / 76.2)
    assert row.measured is not None
    assert row.unverified


def test_an_emulated_guest_tests_nothing(synthetic: Synthetic) -> None:
    emulated = rows(xz(synthetic, 97.0), XZ, "vm_tuned / native")
    assert emulated.verdict is Reproduced.NOT_TESTABLE
    assert "emulated" in emulated.reason
    assert emulated.measured is None
    synthetic.emulated = False
    assert rows(xz(synthetic, 97.0), XZ, "vm_tuned / native").verdict is Reproduced.YES


def test_what_was_not_measured_is_not_testable(synthetic: Synthetic) -> None:
    run = xz(synthetic, 97.0)
    assert rows(run, XZ, "vm_untuned / native").reason == "the run did not measure vm:stock"
    row = rows(run, "sysbench MySQL read-only, peak", "container / native")
    assert row.verdict is Reproduced.NOT_TESTABLE
    assert row.reason == "the run did not measure mariadb"


def test_few_blocks_decide_nothing(synthetic: Synthetic) -> None:
    synthetic.blocks = 5
    row = rows(xz(synthetic, 97.0), XZ, "container / native")
    assert row.verdict is Reproduced.INCONCLUSIVE
    assert "an interval needs 6" in row.reason


def test_both_readings_of_memory_are_laid_beside(synthetic: Synthetic) -> None:
    synthetic.emulated = False
    run = laid(synthetic.build(), "agache2020")
    smaller = msgspec.structs.replace(run.info.resources, memory_bytes=256 << 20)
    vm = msgspec.structs.replace(run.info.sandboxes[2], name="vm:stock", profile="stock")
    samples = [
        msgspec.structs.replace(sample, sandbox="vm:stock") if sample.sandbox == "vm" else sample
        for sample in run.samples
    ]
    info = msgspec.structs.replace(
        run.info, resources=smaller, sandboxes=(*run.info.sandboxes[:2], vm)
    )
    run = run._replace(info=info, samples=samples)
    resident = rows(run, "VMM memory at 256 MiB of guest RAM, resident", "QEMU")
    assert resident.verdict is Reproduced.YES  # the synthetic guest holds 204 MiB
    assert resident.published == 198812 * 1024
    mapped = rows(run, "VMM memory at 256 MiB of guest RAM, writable mappings", "QEMU")
    assert mapped.verdict is Reproduced.INCONCLUSIVE  # the synthetic run has no such reading
    other = rows(run, "VMM memory at 512 MiB of guest RAM, resident", "QEMU")
    assert "memory_mib = 512" in other.reason


@pytest.mark.parametrize("fmt", ["html", "md", "json"])
def test_every_format_shows_the_section(synthetic: Synthetic, fmt: str) -> None:
    text = reports.render(xz(synthetic, 97.0), fmt)
    assert "not testable here" in text
    assert "An Updated Performance Comparison" in text
    assert "An Updated" not in reports.render(synthetic.build(), fmt)


@pytest.mark.parametrize("name", published.names())
def test_a_publication_names_what_exists(name: str) -> None:
    publication = published.load(name)
    assert publication.name == name
    assert all(find(sandbox).name for sandbox in publication.systems.values())
    known = {(info.workload, info.metric) for info in catalogue()}
    for row in publication.row:
        if not row.untestable:
            if row.workload not in {"startup", "memory"}:
                loaded = workloads.load(row.workload)
                known |= {(info.workload, info.metric) for info in loaded.metrics()}
            assert (row.workload, row.metric) in known
        assert all(figure > 0 for figure in row.figures.values())


@pytest.mark.parametrize("name", published.names())
def test_every_publication_has_a_preset_that_measures_its_rows(name: str) -> None:
    preset = config.load(name)
    assert preset.reproduces == name
    wanted = {row.workload for row in published.load(name).row if not row.untestable}
    assert wanted <= set(preset.workloads)


def test_an_unknown_publication_is_refused_with_the_nearest() -> None:
    with pytest.raises(CampaignError, match="did you mean 'felter2014'"):
        config.load("quick", reproduces="felter2015")
