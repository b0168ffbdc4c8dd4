from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmdriver import MICRO, STOCK_UEFI, TUNED, ConfigError, VmConfig
from vmdriver.host import uefi
from vmdriver.libvirt.devices_xml import PORTS, SERIAL
from vmdriver.libvirt.domain_xml import domain_xml
from vmdriver.libvirt.kernel_command_line import kernel_command_line


@pytest.fixture
def config(tmp_path: Path) -> VmConfig:
    for name in ("kernel", "initrd", "disk"):
        (tmp_path / name).write_bytes(b"x")
    return VmConfig(
        "one",
        tmp_path / "kernel",
        tmp_path / "initrd",
        tmp_path / "disk",
        cpuset={1, 0},
        architecture="x86_64",
    )


def parsed(config: VmConfig) -> ET.Element:
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    return ET.fromstring(domain_xml(config, sockets))


def test_every_port_has_its_socket(config: VmConfig) -> None:
    channels = parsed(config).findall("devices/channel")
    assert {c.find("target").get("name"): c.find("source").get("path") for c in channels} == {  # type: ignore[union-attr]
        f"tare.{port}": f"/s/{port}" for port in PORTS
    }
    serial = parsed(config).find("devices/serial/source")
    assert serial is not None
    assert serial.get("path") == "/s/serial"


def test_the_image_is_read_only(config: VmConfig) -> None:
    assert parsed(config).find("devices/disk/readonly") is not None


def test_all_of_qemu_stays_on_the_given_cpus(config: VmConfig) -> None:
    domain = parsed(config)
    vcpu, emulator = domain.find("vcpu"), domain.find("cputune/emulatorpin")
    assert vcpu is not None
    assert emulator is not None
    assert vcpu.get("cpuset") == emulator.get("cpuset") == "0,1"


@pytest.mark.parametrize(
    ("profile", "vcpus", "cpus"),
    [("tuned", 2, ["0", "1"]), ("tuned", 3, ["0,1"] * 3), ("stock", 2, ["0,1"] * 2)],
)
def test_a_vcpu_has_a_cpu_of_its_own_where_it_is_pinned_and_there_are_enough(
    config: VmConfig, profile: str, vcpus: int, cpus: list[str]
) -> None:
    pins = parsed(replace(config, profile=profile, vcpus=vcpus)).findall("cputune/vcpupin")
    assert [pin.get("cpuset") for pin in pins] == cpus


def test_vcpus_are_pinned_in_the_order_in_which_cpus_are_given_away(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmdriver.libvirt.domain_xml.spread", lambda _cpus: (4, 0, 8))
    pins = parsed(replace(config, cpuset={0, 4, 8}, vcpus=2)).findall("cputune/vcpupin")
    assert [pin.get("cpuset") for pin in pins] == ["4", "0"]


def test_a_daemon_s_qemu_keeps_its_user_and_leaves_ours_alone(config: VmConfig) -> None:
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    label = ET.fromstring(domain_xml(config, sockets, owner=(64055, 106))).find("seclabel")
    assert label is not None
    assert label.attrib == {"type": "static", "model": "dac", "relabel": "no"}
    assert label.findtext("label") == "+64055:+106"
    assert parsed(config).find("seclabel") is None


def test_an_older_libvirt_is_not_asked_what_it_does_not_know(config: VmConfig) -> None:
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    assert parsed(config).find("features/ps2") is not None
    assert "ps2" not in domain_xml(config, sockets, knows_ps2=False)


def test_a_profile_of_one_s_own(config: VmConfig) -> None:
    mine = replace(TUNED, name="mine", kernel_parameters=("mitigations=off",))
    command_line = kernel_command_line(replace(config, profile=mine, kernel_parameters=("quiet",)))
    assert command_line.endswith("mitigations=off quiet")


def test_kvm_gives_the_host_s_cpu_less_what_it_cannot(config: VmConfig) -> None:
    kvm = replace(config, accelerator="kvm", cpu_features_off=("arch-capabilities",))
    domain = parsed(kvm)
    cpu, feature = domain.find("cpu"), domain.find("cpu/feature")
    assert domain.get("type") == "kvm"
    assert cpu is not None
    assert feature is not None
    assert cpu.get("mode") == "host-passthrough"
    assert (feature.get("name"), feature.get("policy")) == ("arch-capabilities", "disable")


def test_a_microvm_has_no_pci_and_is_told_the_clock_it_cannot_measure(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmdriver.libvirt.kernel_command_line.host_khz", lambda: 2_000_000)
    micro = replace(config, profile=MICRO)
    places = parsed(micro).findall("devices//address")
    assert [place.get("type") for place in places] == ["virtio-mmio"] * 2
    assert parsed(micro).find("features/vmport") is None
    assert " tsc_early_khz=2000000 " in kernel_command_line(micro)
    assert "tsc_early_khz" not in kernel_command_line(replace(micro, accelerator="kvm"))
    assert "tare.load=virtio_mmio,virtio_blk,erofs" in kernel_command_line(micro)


def test_the_disk_is_served_as_the_profile_says(config: VmConfig) -> None:
    fast = replace(TUNED, queues=2, io_thread=True, disk_cache="none", disk_io="native")
    domain = parsed(replace(config, profile=fast))
    driver = domain.find("devices/disk/driver")
    assert driver is not None
    assert driver.attrib == {
        "name": "qemu", "type": "raw", "cache": "none", "io": "native", "queues": "2",
        "iothread": "1",
    }  # fmt: skip
    assert domain.findtext("iothreads") == "1"
    assert domain.find("cputune/iothreadpin") is not None


@pytest.mark.parametrize("kind", ["virtiofs", "9p"])
def test_an_image_can_be_a_directory_that_the_guest_cannot_write_to(
    config: VmConfig, tmp_path: Path, kind: str
) -> None:
    shared = replace(config, disk=tmp_path, disk_type=kind)
    shared.check()
    domain = parsed(shared)
    assert domain.find("devices/disk") is None
    assert domain.find("devices/filesystem/readonly") is not None
    assert (domain.find("memoryBacking/access") is not None) == (kind == "virtiofs")
    command_line = kernel_command_line(shared)
    assert f"tare.root=tare tare.fs={kind}" in command_line
    assert ("tare.flags=trans=virtio" in command_line) == (kind == "9p")


def test_uefi_has_its_code_read_only_and_variables_of_its_own(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    firmware = uefi.Firmware(Path("/usr/code.fd"), Path("/usr/vars.fd"))
    monkeypatch.setattr("vmdriver.host.uefi.find", lambda _machine: firmware)
    sockets = {port: Path(f"/s/{port}") for port in (SERIAL, *PORTS)}
    own = replace(config, profile=STOCK_UEFI)
    system = ET.fromstring(domain_xml(own, sockets, variables=Path("/state/one.fd"))).find("os")
    assert system is not None
    loader = system.find("loader")
    assert loader is not None
    assert (loader.text, loader.attrib) == ("/usr/code.fd", {"readonly": "yes", "type": "pflash"})
    assert system.findtext("nvram") == "/state/one.fd"
    assert system.findtext("kernel") == str(config.kernel)


def test_guest_ram_lies_on_huge_pages_and_near_its_cpus_where_there_are_any(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, ...]] = []

    def fit(_memory_mib: int, nodes: tuple[int, ...]) -> bool:
        asked.append(nodes)
        return True

    monkeypatch.setattr("vmdriver.config.hugepages.fit", fit)
    for module in ("config", "libvirt.domain_xml"):
        monkeypatch.setattr(f"vmdriver.{module}.nodes_of", lambda _cpus: (0, 1))
    domain = parsed(config)
    assert domain.find("memoryBacking/hugepages") is not None
    nodes = domain.find("numatune/memory")
    assert nodes is not None
    assert nodes.attrib == {"mode": "strict", "nodeset": "0,1"}
    assert set(asked) == {(0, 1)}
    plain = parsed(replace(config, profile=replace(TUNED, hugepages=False, pin=False)))
    assert plain.find("memoryBacking") is None
    assert plain.find("numatune") is None


def test_memory_options_reach_the_domain(config: VmConfig) -> None:
    lean = replace(TUNED, free_page_reporting=True, translation_cache_mib=64)
    domain = parsed(replace(config, profile=lean))
    balloon = domain.find("devices/memballoon")
    assert balloon is not None
    assert balloon.get("freePageReporting") == "on"
    assert domain.findtext("features/tcg/tb-cache") == "64"
    assert "virtio_balloon" in kernel_command_line(replace(config, profile=lean))
    under_kvm = parsed(replace(config, profile=lean, accelerator="kvm"))
    assert under_kvm.find("features/tcg") is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "a/b"}, "cannot name a VM"),
        ({"name": "x" * 33}, "cannot name a VM"),
        ({"cgroups": (Path("/nowhere"),)}, "/nowhere is no cgroup"),
        ({"hostname": "a b"}, "cannot name a host"),
        ({"profile": "fast"}, "no VM profile 'fast'"),
        ({"accelerator": "xen"}, "no accelerator 'xen'"),
        ({"vcpus": 0}, "at least one vCPU"),
        ({"memory_mib": 8}, "do not hold a Linux kernel"),
        ({"payload": ()}, "needs a payload"),
        ({"disk": Path("/nowhere")}, "disk /nowhere is not there"),
        ({"disk_type": "virtiofs"}, "is no directory to share by virtiofs"),
    ],
)
def test_what_cannot_work_is_said_before_anything_starts(
    config: VmConfig, change: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        replace(config, **change).check()  # type: ignore[arg-type]


def test_an_empty_kernel_is_refused(config: VmConfig) -> None:
    config.kernel.write_bytes(b"")
    with pytest.raises(ConfigError, match="is empty"):
        config.check()
