"""arm64 guests under QEMU's translation, on whatever this host is."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.framework.small_guests import speaking_image, start_small
from vmdriver import Driver, Network, VmConfig, audit, leftovers
from vmdriver.architecture import AARCH64
from vmdriver.guest import arm64, build_initramfs, extract_vmlinux

pytestmark = pytest.mark.skipif(
    shutil.which(AARCH64.qemu) is None,
    reason=f"{AARCH64.qemu} is not here; install {AARCH64.package}",
)

#: Holds ``vmlinuz``, ``modules`` and ``busybox`` of arm64: docs/vmdriver.md says how it is made.
LINUX = os.environ.get("TARE_ARM64_GUEST")


def test_the_micro_guest_counts_its_loop_on_arm64() -> None:
    (found,) = audit(("tcg",), architecture="aarch64")
    assert (found.available, found.verdict) == (True, "emulates"), found.reason
    assert found.loops_per_s is not None
    assert found.loops_per_s > 1e6


def test_the_entry_of_a_kernel_is_stamped_before_its_first_word(
    driver: Driver, tmp_path: Path
) -> None:
    kernel, rest = tmp_path / "kernel", tmp_path / "rest"
    kernel.write_bytes(arm64.announce_entry(speaking_image()))
    rest.write_bytes(b"tare".ljust(512, b"\0"))
    config = VmConfig("arm", kernel, rest, rest, memory_mib=64, architecture="aarch64")
    with start_small(driver, config) as vm:
        vm.domain.describe()
        assert vm.argv[0] == AARCH64.qemu
        assert vm.stamps["kernel"] <= vm.stamps["init"]
        assert vm.console.read_bytes().startswith(b"\ntare: init")
    assert leftovers(driver.state) == []


@pytest.mark.skipif(LINUX is None, reason="TARE_ARM64_GUEST names no arm64 kernel")
def test_linux_boots_runs_commands_and_powers_off(driver: Driver, tmp_path: Path) -> None:
    assert LINUX is not None
    folder, root = Path(LINUX), tmp_path / "root"
    kernel, initrd, disk = (tmp_path / name for name in ("kernel", "initrd", "disk"))
    extract_vmlinux(folder / "vmlinuz", kernel)
    build_initramfs(folder / "modules", folder / "busybox", initrd)
    (root / "bin").mkdir(parents=True)
    shutil.copy(folder / "busybox", root / "bin" / "busybox")
    for name in ("sh", "sleep", "uname", "dd", "ip"):
        (root / "bin" / name).symlink_to("busybox")
    subprocess.run(["mkfs.erofs", "--quiet", disk, root], check=True)
    config = VmConfig(
        *("arm", kernel, initrd, disk),
        architecture="aarch64",
        payload=("sh", "-c", "echo m >&3; exec sleep 600"),
        network=Network.user(),
    )
    with driver.start(config) as vm:
        assert vm.exec(["uname", "-m"]).stdout == b"aarch64\n"
        done = vm.exec(["sh", "-c", "dd if=/dev/zero bs=1M count=4; exit 7"])
        assert (done.exit_code, len(done.stdout)) == (7, 4 << 20)
        assert b"10.0.2" in vm.exec(["ip", "address"]).stdout
        saved = driver.saved / "arm"
        vm.save(saved)
    with driver.restore(config, saved) as vm:
        assert vm.exec(["uname", "-m"]).stdout == b"aarch64\n"
        vm.stop()
        assert not vm.forced
    saved.unlink()
    assert leftovers(driver.state) == []
