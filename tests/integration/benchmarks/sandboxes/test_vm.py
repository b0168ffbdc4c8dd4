"""The VM's variants as a campaign sees them; what a guest can do is tested with the driver."""

from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks.errors import UnsuitableHostError
from benchmarks.experiments import idle
from benchmarks.image import Image
from benchmarks.results.records import Resources
from benchmarks.sandboxes import open_sandbox
from benchmarks.sandboxes.base import Partial, Setting
from vmdriver.guest import Modules

_LADDER = (
    "vss_bytes", "rss_bytes", "pss_bytes", "uss_bytes", "guest_ram_bytes", "vmm_bytes",
    "translation_bytes", "page_tables_bytes", "guest_used_bytes", "guest_held_bytes",
    "cgroup_kernel_bytes",
)  # fmt: skip
"""Of an emulated guest; under KVM nothing is translated."""


@pytest.fixture
def setting(image: Image, tmp_path: Path) -> Setting:
    logs = tmp_path / "logs"
    logs.mkdir()
    return Setting(
        resources=Resources(cpus=1, cpuset=(0,), memory_bytes=256 << 20),
        image_root=image.root,
        image=image,
        state=tmp_path / "state",
        logs=logs,
        seed=1,
    )


def test_a_restored_guest_is_the_same_boot_again_and_says_so(setting: Setting) -> None:
    with open_sandbox("vm:restored", setting) as sandbox:
        details, boundaries = sandbox.info.details, sandbox.info.boundaries
        assert boundaries == ("spawned", "ready", "main")
        assert any("same boot" in caveat for caveat in sandbox.info.caveats)
        assert 0 < details["saved"]["saved_bytes_on_disk"] < 256 << 20
        assert sandbox.resized(128 << 20) is None  # type: ignore[attr-defined]  # saved as it is
        for _ in range(2):
            with sandbox.start() as instance:
                ladder = [instance.stamps[name] for name in ("requested", *boundaries)]
                assert ladder == sorted(ladder)
                said = instance.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=20)
                assert said.stdout.decode().strip() == details["saved"]["boot_id"]
                memory = instance.memory()
                ladder_bytes = [memory[name] for name in _LADDER]
                assert all(value is not None and value > 0 for value in ladder_bytes), memory
                charged, resident = memory["cgroup_bytes"], memory["rss_bytes"]
                assert charged is not None
                assert resident is not None
                assert 32 << 20 < charged < resident
                at_rest = idle.measure(instance, 0.3)
                assert at_rest.threads >= 2  # a CPU's and QEMU's own
                assert at_rest.charged_s_per_s is not None
            assert sandbox.leftovers() == []
    assert (setting.logs / "vm.restored-domain.xml").read_text().startswith("<domain")
    assert list((setting.state / "vm.restored" / "saved").iterdir()) == []


def test_a_start_can_end_where_the_guest_is_ready_to_boot(setting: Setting) -> None:
    with open_sandbox("vm", setting) as sandbox:
        assert isinstance(sandbox, Partial)
        for _ in range(2):
            with sandbox.start_until_ready() as instance:
                stamps = instance.stamps
                assert stamps["requested"] < stamps["spawned"] < stamps["ready"]
                pids = instance.pids()
            assert stamps.keys() == instance.stamps.keys()  # nothing of its boot, nor of its end
            assert "main" not in stamps
            assert not any(map(psutil.pid_exists, pids))
            assert sandbox.leftovers() == []


def test_what_limits_a_vm_is_said_and_what_its_profile_lacks_here(setting: Setting) -> None:
    with open_sandbox("vm", setting) as sandbox:
        details = sandbox.info.details
    assert details["libvirt_uri"].startswith("qemu:///embed")
    assert details["libvirt_probing_s"] > 0
    assert details["libvirt_settings"]["namespaces"] == "[]"
    assert details["limits"]["cpuset"] == [0]
    assert details["limits"]["cpu_quota_cpus"] == 1
    assert details["limits"]["guest_ram_bytes"] == 256 << 20
    assert details["profile"]["machine"] == "q35"
    assert all("->" in line for line in details["profile_not_as_named"])


def test_a_daemon_that_is_not_there_makes_the_vm_unavailable(setting: Setting) -> None:
    elsewhere = replace(setting, libvirt_uri=f"qemu:///system?socket={setting.state}/none")
    with pytest.raises(UnsuitableHostError, match="is its daemon running"):
        open_sandbox("vm", elsewhere).__enter__()


def test_an_image_cannot_come_by_a_file_system_that_the_kernel_lacks(
    image: Image, setting: Setting
) -> None:
    if "9p" in Modules(image.modules):
        with open_sandbox("vm:9p", setting) as sandbox:
            assert sandbox.info.profile == "9p"
    else:
        with pytest.raises(UnsuitableHostError, match="has no module 9p"):
            open_sandbox("vm:9p", setting).__enter__()
