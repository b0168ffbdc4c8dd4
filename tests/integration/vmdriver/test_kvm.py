"""The path through KVM, with Linux where it accelerates, with the micro-guest where it emulates."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.vmdriver.conftest import Configure
from vmdriver import TUNED, Deadlines, Driver, FirmwareStuckError, audit, leftovers
from vmdriver.microguest import programs


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="this host has no /dev/kvm")
def test_a_domain_starts_under_kvm_with_the_host_s_cpu(
    driver: Driver, configure: Configure, tmp_path: Path
) -> None:
    (found,) = audit(("kvm",))
    assert found.available, found.reason
    config = configure(name="kvm", accelerator="kvm", cpu_features_off=found.cpu_features_off)
    if found.verdict == "accelerates":
        with driver.start(config) as vm:
            assert vm.exec(["true"]).exit_code == 0
            assert vm.memory().translation_bytes == 0
    else:
        rom = tmp_path / "rom"
        rom.write_bytes(programs.rom())
        profile = replace(TUNED, firmware=str(rom))
        # QEMU starts and its guest runs; that guest has no console to write to.
        with pytest.raises(FirmwareStuckError):
            driver.start(replace(config, profile=profile, deadlines=Deadlines(kernel_s=2)))
    assert leftovers(driver.state) == []
