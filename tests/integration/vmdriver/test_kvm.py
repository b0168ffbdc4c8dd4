"""Guests under a KVM that accelerates: every machine, firmware and way to start. Never a speed.

Where KVM emulates, or there is none, these are skipped: but for one that sends the micro-guest
through it.
"""

import functools
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.image import Image, distribution
from tests.integration.vmdriver.conftest import Configure
from vmdriver import (
    MICRO,
    STOCK,
    STOCK_UEFI,
    TUNED,
    Accelerator,
    Deadlines,
    Driver,
    FirmwareStuckError,
    Profile,
    Vm,
    VmConfig,
    audit,
    leftovers,
)
from vmdriver.microguest import programs

PATIENT = Deadlines(vmm_s=180, kernel_s=180, init_s=400, main_s=400, agent_s=120, gone_s=60)
"""An emulated host's KVM accelerates, and is ten times slower than hardware's all the same."""

pytestmark = pytest.mark.timeout(1500)


@functools.cache
def kvm() -> Accelerator:
    (found,) = audit(("kvm",))
    return found


def needs_kvm() -> None:
    if kvm().verdict != "accelerates":
        pytest.skip(f"KVM does not accelerate here: {kvm().sentence}")


Guest = Callable[..., VmConfig]


@pytest.fixture
def guest(configure: Configure) -> Guest:
    """A configuration under KVM."""
    needs_kvm()
    return functools.partial(
        configure,
        name="kvm",
        accelerator="kvm",
        cpu_features_off=kvm().cpu_features_off,
        deadlines=PATIENT,
    )


def passed(vm: Vm) -> list[str]:
    names = ["spawned", "vmm_ready", "kernel", "init", "main"]
    stamps = [vm.stamps[name] for name in names]
    assert stamps == sorted(stamps)
    return names


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(TUNED, id="q35-pvh"),
        pytest.param(MICRO, id="microvm-pvh"),
        pytest.param(replace(TUNED, machine="pc"), id="pc-pvh"),
        pytest.param(replace(TUNED, firmware="seabios", kernel="bzimage"), id="q35-seabios"),
        pytest.param(replace(STOCK, init="tare"), id="stock-devices"),
        pytest.param(replace(STOCK_UEFI, init="tare"), id="uefi"),
    ],
)
@pytest.mark.skipif(platform.machine() != "x86_64", reason="these machines are PCs")
def test_every_machine_and_firmware_boots(
    driver: Driver, guest: Guest, image: Image, profile: Profile
) -> None:
    kernel = image.vmlinux if profile.kernel == "vmlinux" else image.kernel
    with driver.start(guest(profile=profile, kernel=kernel)) as vm:
        passed(vm)
        assert vm.exec(["true"]).exit_code == 0
        assert vm.memory().translation_bytes == 0
        vm.stop(grace_s=0)
        assert not vm.forced
    assert leftovers(driver.state) == []


def test_a_guest_has_the_host_s_cpu_and_runs_what_is_built_for_it(
    driver: Driver, guest: Guest
) -> None:
    with driver.start(guest(vcpus=2, cpuset=frozenset({0, 1}))) as vm:
        cpuinfo = vm.exec(["cat", "/proc/cpuinfo"]).stdout.decode()
        own = Path("/proc/cpuinfo").read_text()
        for field in ("model name", "CPU implementer"):
            lines = {line for line in own.splitlines() if line.startswith(field)}
            assert lines <= set(cpuinfo.splitlines())
        assert cpuinfo.count("processor\t") == 2
        # glibc says by itself which levels of x86-64 the CPU has: x86-64-v2, -v3, -v4.
        loader = ["sh", "-c", "/lib*/ld-linux-*.so.* --help"]
        levels = [
            line.split()[0]
            for line in vm.exec(loader).stdout.decode().splitlines()
            if "supported, searched" in line
        ]
        if platform.machine() == "x86_64" and " avx2 " in own and " bmi2 " in own:
            assert "x86-64-v3" in levels
        pins = [Path(f"/proc/{vm.pid}/task/{task}/status").read_text() for task in vcpus(vm)]
        allowed = {line for pin in pins for line in pin.splitlines() if "Cpus_allowed_list" in line}
        assert allowed == {"Cpus_allowed_list:\t0", "Cpus_allowed_list:\t1"}
    assert leftovers(driver.state) == []


def vcpus(vm: Vm) -> list[str]:
    tasks = Path(f"/proc/{vm.pid}/task").iterdir()
    return [task.name for task in tasks if (task / "comm").read_text().startswith("CPU ")]


@pytest.mark.parametrize("profile", [TUNED, MICRO], ids=["q35", "microvm"])
def test_a_saved_guest_goes_on(driver: Driver, guest: Guest, profile: Profile) -> None:
    config = guest(profile=profile)
    saved = driver.saved / "kvm"
    with driver.start(config) as vm:
        vm.put("/tmp/here", b"before")
        vm.save(saved)
    for _ in range(2):
        with driver.restore(config, saved) as vm:
            assert vm.get("/tmp/here").content == b"before"
            # By whole seconds, through a guest that may be slow to answer.
            assert abs(vm.synchronize_clock().offset_ns) < 10_000_000_000
    saved.unlink()
    assert leftovers(driver.state) == []


def test_memory_and_files_go_to_and_fro(driver: Driver, guest: Guest) -> None:
    profile = replace(TUNED, free_page_reporting=True, balloon=True)
    with driver.start(guest(profile=profile)) as vm:
        total = vm.guest_memory()["MemTotal"]
        vm.balloon(160)
        assert vm.cpu_time_s() > 0
        content = bytes(range(256)) * 4096
        vm.put("/tmp/file", content, timeout_s=300)
        assert vm.get("/tmp/file", timeout_s=300).content == content
        assert vm.exec(["sh", "-c", "exit 7"], stdin=b"x").exit_code == 7
        assert total > 100 << 20
    assert leftovers(driver.state) == []


@pytest.mark.parametrize("profile", [STOCK, STOCK_UEFI], ids=["stock", "uefi"])
def test_a_distribution_boots_by_its_own_means(
    driver: Driver, guest: Guest, image: Image, profile: Profile
) -> None:
    made = distribution.build(image)
    config = guest(
        profile=profile,
        kernel=image.kernel,
        initrd=made.initrd,
        disk=made.block,
        memory_mib=512,
    )
    with driver.start(config) as vm:
        passed(vm)
        assert vm.exec(["cat", "/proc/1/comm"]).stdout == b"systemd\n"
        vm.stop(grace_s=0)
    assert leftovers(driver.state) == []


@pytest.mark.skipif(not Path("/dev/kvm").exists(), reason="this host has no /dev/kvm")
def test_an_emulating_kvm_starts_a_domain_all_the_same(
    driver: Driver, configure: Configure, tmp_path: Path
) -> None:
    if kvm().verdict == "accelerates":
        pytest.skip("KVM accelerates here")
    assert kvm().available, kvm().sentence
    rom = tmp_path / "rom"
    rom.write_bytes(programs.rom())
    config = configure(
        name="kvm",
        accelerator="kvm",
        cpu_features_off=kvm().cpu_features_off,
        profile=replace(TUNED, firmware=str(rom)),
        deadlines=Deadlines(kernel_s=2),
    )
    # QEMU starts and its guest runs; that guest has no console to write to.
    with pytest.raises(FirmwareStuckError):
        driver.start(config)
    assert leftovers(driver.state) == []
