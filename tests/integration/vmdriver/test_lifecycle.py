"""Starts, stops, and what stays behind them."""

import threading
from pathlib import Path

import pytest

from benchmarks.image import Image
from tests.framework.fault_table import told
from tests.integration.vmdriver.conftest import Configure
from vmdriver import ConfigError, Deadlines, Driver, VmError, audit, leftovers

IO_HELPER = Path("/usr/lib/libvirt/libvirt_iohelper")


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_graceful_stop_ends_within_a_second_of_the_guest_s_own_end(
    driver: Driver, configure: Configure
) -> None:
    with driver.start(configure(name="graceful")) as vm:
        vm.stop(grace_s=1.0)
        assert not vm.forced
        assert vm.stamps["stop_asked"] < vm.stamps["powered_off"] < vm.stamps["stopped"]
        assert (vm.stamps["stopped"] - vm.stamps["powered_off"]) / 1e9 < 1.0
        stamps = dict(vm.stamps)
        vm.stop()
        vm.destroy()
        assert vm.stamps == stamps
    assert leftovers(driver.state) == []


def test_a_payload_that_ignores_its_end_is_not_waited_for(
    driver: Driver, configure: Configure
) -> None:
    stubborn = ("sh", "-c", "trap '' TERM; echo m >&3; while :; do sleep 1; done")
    with driver.start(configure(name="stubborn", payload=stubborn)) as vm:
        vm.stop(grace_s=0.2)
        assert not vm.forced


def test_a_payload_s_status_is_known(driver: Driver, configure: Configure) -> None:
    config = configure(name="ended", payload=("sh", "-c", "echo m >&3; exit 7"))
    with driver.start(config) as vm:
        with vm.ports.changed:
            assert vm.ports.changed.wait_for(lambda: vm.payload_exit is not None, 10)
        assert vm.payload_exit == 7
        assert vm.exec(["true"]).exit_code == 0


def test_starting_again_leaks_nothing(driver: Driver, configure: Configure) -> None:
    config = configure(name="again")
    counts = []
    for _ in range(3):
        with driver.start(config) as vm:
            with pytest.raises(ConfigError, match="running already"):
                driver.start(config)
            vm.stop(grace_s=0)
        counts.append((descriptors(), threading.active_count()))
    assert counts[1] == counts[2]
    assert leftovers(driver.state) == []


def test_a_second_driver_lives_beside_the_first(
    driver: Driver, configure: Configure, tmp_path: Path
) -> None:
    with Driver(tmp_path / "second") as second:
        with second.start(configure(name="second")) as vm:
            assert vm.exec(["true"]).exit_code == 0
        assert leftovers(tmp_path / "second") == []
    with told("state directory in use"):
        Driver(driver.state)


def test_the_stock_profile_boots_the_distribution_s_kernel(
    driver: Driver, configure: Configure, image: Image
) -> None:
    patient = Deadlines(kernel_s=60, init_s=120, main_s=60)
    config = configure(name="stock", profile="stock", kernel=image.kernel, deadlines=patient)
    with driver.start(config) as vm:
        assert vm.exec(["uname", "-r"]).stdout.decode().strip() == image.kernel_release
        assert any("virtio-vga" in argument for argument in vm.argv)


def test_the_audit_judges_every_accelerator() -> None:
    found = {accelerator.name: accelerator for accelerator in audit()}
    tcg = found["tcg"]
    assert tcg.verdict == "emulates"
    assert tcg.ratio is not None
    assert 0.001 < tcg.ratio < 0.5
    if Path("/dev/kvm").exists():
        kvm = found["kvm"]
        assert (kvm.verdict == "accelerates") == (kvm.ratio is not None and kvm.ratio >= 0.5)
        assert kvm.reason


def test_a_saved_guest_goes_on_where_it_was(
    driver: Driver, configure: Configure, tmp_path: Path
) -> None:
    config = configure(name="warm", payload=("sh", "-c", "echo m >&3"))
    with driver.start(config) as vm:
        boot = vm.exec(["cat", "/proc/sys/kernel/random/boot_id"]).stdout
        vm.exec(["sh", "-c", "echo before > /root/state"])
        if IO_HELPER.exists():
            vm.snapshot(tmp_path / "snapshot")
        else:
            with pytest.raises(VmError, match="install libvirt-daemon-common"):
                vm.snapshot(tmp_path / "snapshot")
        vm.exec(["sh", "-c", "echo after > /root/state"])
        with told("save cannot be written"):
            vm.save(tmp_path / "nowhere" / "saved")
        vm.save(tmp_path / "saved")
        assert not vm.running()
    assert leftovers(driver.state) == []
    for file, state in (("saved", b"after\n"), ("saved", b"after\n"), ("snapshot", b"before\n")):
        if not (tmp_path / file).exists():
            continue
        with driver.restore(config, tmp_path / file) as vm:
            assert "kernel" not in vm.stamps
            assert vm.payload_exit is None
            assert vm.exec(["cat", "/proc/sys/kernel/random/boot_id"]).stdout == boot
            assert vm.exec(["cat", "/root/state"]).stdout == state
            vm.stop(grace_s=0)
            assert not vm.forced
    assert leftovers(driver.state) == []


def test_a_damaged_save_is_refused(driver: Driver, configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "saved").write_bytes(b"nothing of the kind" * 1000)
    with told("saved VM damaged"):
        driver.restore(configure(name="cold"), tmp_path / "saved")
    with pytest.raises(ConfigError, match="no saved VM at"):
        driver.restore(configure(name="cold"), tmp_path / "nowhere")
    assert leftovers(driver.state) == []
