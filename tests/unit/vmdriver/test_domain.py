from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from vmdriver import STOCK, TUNED, ConfigError, VmConfig, diff
from vmdriver.domain import PORTS, SERIAL, domain_xml, kernel_command_line


@pytest.fixture
def config(tmp_path: Path) -> VmConfig:
    for name in ("kernel", "initrd", "disk"):
        (tmp_path / name).write_bytes(b"x")
    return VmConfig(
        "one", tmp_path / "kernel", tmp_path / "initrd", tmp_path / "disk", cpuset={1, 0}
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


def test_vcpus_share_the_cpus_when_there_are_more(config: VmConfig) -> None:
    own = parsed(replace(config, vcpus=2)).findall("cputune/vcpupin")
    assert [pin.get("cpuset") for pin in own] == ["0", "1"]
    shared = parsed(replace(config, vcpus=3)).findall("cputune/vcpupin")
    assert [pin.get("cpuset") for pin in shared] == ["0,1"] * 3


def test_profiles_differ_where_they_say(config: VmConfig) -> None:
    different = diff(TUNED, STOCK)
    assert {"firmware", "bare", "video", "network", "name"} <= set(different)
    assert diff(TUNED, TUNED) == {}
    assert parsed(replace(config, profile="stock")).find("devices/video") is not None
    assert parsed(config).find("devices/video") is None


def test_a_host_without_qboot_gets_seabios(
    config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {"tuned": replace(TUNED, firmware="/nowhere/qboot.rom")}
    monkeypatch.setattr("vmdriver.config.PROFILES", absent)
    assert config.resolved_profile().firmware == "seabios"
    assert parsed(config).find("os/loader") is None


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
