"""Probes below the kernel and of the network: what each side reads, and what it means."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from benchmarks.experiments import probes
from benchmarks.experiments.probes import Verdict, agent, machine_agent
from tests.unit.benchmarks.experiments.probes import world

X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86-64")
ANOTHER_KERNEL = {"uname": {"text": "6.12 #9", "node": "guest"}}


def stat(stolen: int) -> world.Values:
    return {"/proc/stat": {"text": f"cpu 9 9 0 0 0 0 0 {stolen} 0 0\nctxt 8"}}


def tsc(ticks: int, hertz: float) -> world.Values:
    return {"tsc": {"text": "some", "ticks": ticks, "hertz": hertz}}


def address(mac: str) -> world.Values:
    return {"addresses": {"addresses": {"eth0": mac}}}


def arp(mac: str) -> world.Values:
    return {"/proc/self/net/arp": {"text": world.ARP.format(mac=mac)}}


@pytest.mark.parametrize(
    ("probe", "values", "container", "guest"),
    [
        ("steal", stat(0), Verdict.NAMESPACED, Verdict.ABSENT),
        ("steal", stat(401), Verdict.SHARED_LIVE, Verdict.NAMESPACED),
        ("steal", stat(7), Verdict.NAMESPACED, Verdict.NAMESPACED),
        ("tsc", tsc(10**12 + 1, 2e9), Verdict.SHARED_LIVE, Verdict.SHARED_LIVE),
        ("tsc", tsc(55, 2.001e9), Verdict.SHARED_CONSTANT, Verdict.SHARED_CONSTANT),
        ("tsc", tsc(55, 3e9), Verdict.NAMESPACED, Verdict.NAMESPACED),
        ("tsc", {"tsc": {"errno": "EPERM"}}, Verdict.DENIED, Verdict.DENIED),
        ("mac", address("52:54:00:12:34:56"), Verdict.NAMESPACED, Verdict.NAMESPACED),
        ("mac", address("3c:ec:ef:77:77:77"), Verdict.SHARED_CONSTANT, Verdict.SHARED_CONSTANT),
        ("neighbours", arp("52:54:00:12:34:56"), Verdict.NAMESPACED, Verdict.NAMESPACED),
        ("neighbours", arp("3c:ec:ef:00:00:09"), Verdict.SHARED_LIVE, Verdict.SHARED_LIVE),
    ],
)  # fmt: skip
def test_what_a_reading_means(
    probe: str, values: world.Values, container: Verdict, guest: Verdict
) -> None:
    assert world.verdicts(world.hardened() | values)[probe] is container
    assert world.verdicts(world.hardened() | values | ANOTHER_KERNEL)[probe] is guest


def evidence(probe: str, values: world.Values) -> str:
    found = probes.judge(world.examination(world.hardened() | values))
    return next(finding.evidence for finding in found if finding.probe == probe)


def test_the_evidence_names_whose_software_made_an_address() -> None:
    assert evidence("mac", address("52:54:00:12:34:56")).endswith("as of QEMU and libvirt")


def test_no_value_of_a_variable_is_kept_or_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TARE_SECRET", "correct horse battery staple")
    host = probes.read_host()
    assert "TARE_SECRET" in host.values["environment"]["variables"]
    assert "battery" not in str(host.values)
    same = {"environment": host.values["environment"]}
    found = probes.judge(world.examination(world.hardened() | same, before=host))
    told = next(finding for finding in found if finding.probe == "environment")
    assert told.verdict is Verdict.SHARED_LIVE
    assert "TARE_SECRET" in told.evidence


def test_variables_that_every_system_has_are_no_leak() -> None:
    alike = {"environment": {"variables": {"PATH": 1, "OWN": 7}}}
    assert world.verdicts(world.hardened() | alike)["environment"] is Verdict.NAMESPACED


def test_a_stat_without_the_column_is_an_error_and_not_safe() -> None:
    short = {"/proc/stat": {"text": "cpu 1 2 3"}}
    assert world.verdicts(world.hardened() | short)["steal"] is None


@X86
def test_the_cpu_answers_on_this_host() -> None:
    host = probes.read_host().values
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii").splitlines()
    vendor = next(line.split()[-1] for line in lines if line.startswith("vendor_id"))
    assert host["cpuid model"]["text"].startswith(vendor)
    assert 1e8 < host["tsc"]["hertz"] < 1e10
    later = probes.read_host().values["tsc"]
    assert later["ticks"] > host["tsc"]["ticks"]
    assert later["hertz"] == pytest.approx(host["tsc"]["hertz"], rel=1e-3)


def test_another_architecture_has_no_such_instruction(monkeypatch: pytest.MonkeyPatch) -> None:
    there = os.uname_result(("Linux", "host", "6.1", "#1", "aarch64"))
    monkeypatch.setattr(os, "uname", lambda: there)
    wants = [("model", "cpuid", "model"), ("tsc", "tsc")]
    found = agent.collect(wants, machine_agent.MORE_READERS)
    assert found == {"model": {"errno": "ENOSYS"}, "tsc": {"errno": "ENOSYS"}}


def test_only_links_with_an_address_are_told(tmp_path: Path) -> None:
    for name, text in (("lo", "00:00:00:00:00:00"), ("eth0", "02:42:00:00:00:01")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "address").write_text(f"{text}\n")
    (tmp_path / "bonding_masters").touch()
    found = machine_agent.link_addresses(str(tmp_path))
    assert found == {"addresses": {"eth0": "02:42:00:00:00:01"}}
