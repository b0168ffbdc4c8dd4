"""The doctor and the run say the same of what this host can run."""

import json
from typing import Any

import pytest

from tests.hosts.framework import campaigns
from tests.hosts.framework.machine import Machine

pytestmark = [pytest.mark.host("every"), pytest.mark.usefixtures("unchanged")]


@pytest.fixture(scope="module")
def diagnosis(host: Machine) -> dict[str, Any]:
    done = host.run(f"{campaigns.TARE} doctor --json", check=False)
    assert "Traceback" not in done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.host("debian13", "isolcpus", "libvirtd", "linux-6.1", "lockdown", "numa")
def test_everything_can_run_on_an_ordinary_host(diagnosis: dict[str, Any]) -> None:
    assert diagnosis["can_run"] == {"native": True, "container": True, "vm": True}


@pytest.mark.host("debian13", "isolcpus", "libvirtd", "linux-6.1", "lockdown", "numa")
def test_kvm_is_found_to_accelerate(diagnosis: dict[str, Any]) -> None:
    (accelerator,) = [one for one in diagnosis["checks"] if one["id"] == "accelerator"]
    assert accelerator["state"] == "ok", accelerator
    assert "accelerates" in accelerator["found"], accelerator


@pytest.mark.host("no-svm")
def test_a_host_without_kvm_is_said_to_emulate(diagnosis: dict[str, Any]) -> None:
    (accelerator,) = [one for one in diagnosis["checks"] if one["id"] == "accelerator"]
    assert accelerator["state"] in {"info", "warn"}, accelerator


@pytest.mark.host("debian13", "isolcpus", "libvirtd", "linux-6.1", "lockdown", "numa")
def test_a_run_can_have_what_the_doctor_says(host: Machine, diagnosis: dict[str, Any]) -> None:
    """Each sandbox of the doctor's list, for one start."""
    asked = tuple(diagnosis["can_run"])
    campaign = campaigns.write(host, "agrees", asked, ("startup",))
    had = campaigns.had(campaigns.measure(host, campaign, "agrees"))
    assert {name: had[name] == "measured" for name in asked} == {
        name: told is True for name, told in diagnosis["can_run"].items()
    }, had
