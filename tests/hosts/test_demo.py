"""The README's first command, with two blocks: what a new user sees of containers and VMs."""

import html

import pytest

from benchmarks.results.runfolder import Run
from tests.hosts.framework import campaigns, changes
from tests.hosts.framework.campaigns import OUT, TARE, Report
from tests.hosts.framework.machine import Machine

_SANDBOXES = ("native", "container", "vm")
_WORKLOADS = ("startup", "memory", "checksum", "leaks", "controls")


@pytest.fixture(scope="module")
def run(host: Machine) -> Run:
    """Measured once; it changes nothing of the host."""
    campaign = campaigns.write(host, "demo", _SANDBOXES, _WORKLOADS, blocks=2)
    before = changes.look(host)
    run = campaigns.measure(host, campaign, "demo")
    changes.assert_none(before, changes.look(host))
    return run


@pytest.fixture(scope="module")
def demo(host: Machine, run: Run) -> Report:
    """Its report, as data."""
    assert run.samples
    return campaigns.report(host, "demo")


def test_all_three_are_measured_without_a_failure(run: Run) -> None:
    assert campaigns.had(run) == dict.fromkeys(_SANDBOXES, "measured")


def test_the_guest_runs_under_a_kvm_that_accelerates(demo: Report) -> None:
    (vm,) = [box for box in demo["sandboxes"] if box["name"] == "vm"]
    assert vm["accelerator"] == "kvm"
    assert vm["admissible_cpu"] is True
    assert [row for row in demo["numbers"] if not row["admissible"]] == []


@pytest.mark.parametrize("claim", ["starts-fast", "less-memory"])
def test_a_verdict_rests_on_the_whole_vm(demo: Report, claim: str) -> None:
    found = campaigns.claim(demo, claim)
    assert not found["rule"].startswith("bound"), found
    assert found["verdict"] in {"supported", "inconclusive"}, found  # two blocks may not decide


def test_isolation_is_found_to_be_strong(demo: Report) -> None:
    found = campaigns.claim(demo, "isolation-strong-enough")
    assert found["verdict"] == "supported", found


def test_isolation_is_found_to_be_weaker_than_a_vms(demo: Report) -> None:
    found = campaigns.claim(demo, "isolation-weaker")
    assert found["verdict"] == "supported", found


def test_the_guest_leaks_nothing(demo: Report) -> None:
    told = {
        row["metric"]: row["words"]
        for row in demo["words"]
        if row["sandbox"] == "vm" and row["workload"] == "leaks"
    }
    assert told
    assert {name: words for name, words in told.items() if "shared-live" in words} == {}


def test_no_control_of_the_container_is_open(demo: Report) -> None:
    told = {
        row["metric"]: (row["words"], row["detail"])
        for row in demo["words"]
        if row["sandbox"] == "container" and row["workload"] == "controls"
    }
    assert told
    assert {name: found for name, found in told.items() if "open" in found[0]} == {}


def test_the_same_bytes_are_read_in_all_three(demo: Report) -> None:
    assert campaigns.claim(demo, "same-environment")["verdict"] == "supported"


@pytest.mark.usefixtures("unchanged")
def test_the_report_is_one_page(host: Machine, demo: Report) -> None:
    host.run(f"{TARE} report {OUT}/demo", timeout=1500)
    page = html.unescape(host.run(f"cat {OUT}/demo/report.html").stdout)
    assert page.lower().startswith("<!doctype html>")
    assert all(claim["title"] in page for claim in demo["claims"])


@pytest.mark.usefixtures("unchanged")
def test_leaks_shows_what_a_container_sees(host: Machine) -> None:
    done = host.run(f"{TARE} leaks native container --json", timeout=1200)
    assert '"sandbox": "container"' in done.stdout


@pytest.mark.usefixtures("demo", "unchanged")
def test_a_run_compared_with_itself_is_not_worse(host: Machine) -> None:
    assert host.run(f"{TARE} compare {OUT}/demo {OUT}/demo", check=False).returncode in {0, 5}


@pytest.mark.usefixtures("demo", "unchanged")
def test_a_second_run_is_compared_with_the_first(host: Machine) -> None:
    """Nothing is asserted of which is faster: only that the gate judges, and says how."""
    campaign = campaigns.write(host, "second", ("native", "container"), ("startup",))
    campaigns.measure(host, campaign, "second")
    done = host.run(f"{TARE} compare {OUT}/demo {OUT}/second", check=False)
    assert done.returncode in {0, 3, 5}, done.stderr


@pytest.mark.usefixtures("demo", "unchanged")
def test_nothing_is_left_to_clean(host: Machine) -> None:
    done = host.run(f"{TARE} clean")
    assert done.stdout == ""
    assert "nothing was left behind" in done.stderr
