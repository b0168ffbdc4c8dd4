"""Why KVM cannot be used, on hosts of every kind, and what their users are told to do."""

import errno
import grp
import os
import platform
from pathlib import Path

import pytest

from tests.unit.vmdriver.host import trees
from vmdriver.host import kvm

CPUINFO = "processor\t: 0\nvendor_id\t: {vendor}\nflags\t\t: fpu {flags}\n\nprocessor\t: 1\n"


def host(root: Path, flags: str = "", vendor: str = "GenuineIntel", **files: str) -> Path:
    return trees.write(root, {"proc/cpuinfo": CPUINFO.format(vendor=vendor, flags=flags), **files})


def test_a_device_that_opens_is_no_obstacle(tmp_path: Path) -> None:
    assert kvm.obstacle(host(tmp_path, **{"dev/kvm": ""})) is None


@pytest.mark.parametrize(
    ("number", "reason", "remedy"),
    [
        (errno.EACCES, "this user may not open", "join the group"),
        (errno.EPERM, "device rules of this container", "--device /dev/kvm"),
        (errno.EBUSY, "Device or resource busy", ""),
    ],
)
def test_a_device_that_does_not_open_is_told_by_its_error(
    number: int, reason: str, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = host(tmp_path, **{"dev/kvm": ""})

    def refuse(path: Path, _flags: int) -> int:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(os, "open", refuse)
    found = kvm.obstacle(root)
    assert found is not None
    assert reason in found.reason
    assert remedy in (found.remedy or "")
    if number == errno.EACCES:
        assert grp.getgrgid(os.getgid()).gr_name in (found.remedy or "")


@pytest.mark.parametrize(
    ("flags", "vendor", "reason", "remedy"),
    [
        ("vmx", "GenuineIntel", "kvm_intel is not loaded", "modprobe kvm_intel"),
        ("hypervisor svm", "AuthenticAMD", "kvm_amd is not loaded", "modprobe kvm_amd"),
        ("hypervisor", "AuthenticAMD", "given no hardware virtualization", "nested"),
        ("", "GenuineIntel", "firmware may have disabled", "enable Intel VT-x"),
        ("", "AuthenticAMD", "firmware may have disabled", "enable AMD-V"),
        ("", "VIA", "no hardware virtualization", ""),
    ],
)
def test_without_a_device_the_cpu_says_why(
    flags: str, vendor: str, reason: str, remedy: str, tmp_path: Path
) -> None:
    found = kvm.obstacle(host(tmp_path, flags, vendor))
    assert found is not None
    assert found.reason.startswith("there is no /dev/kvm")
    assert reason in found.reason
    assert remedy in (found.remedy or "")


def test_a_container_without_the_device_is_told_to_take_it_in(tmp_path: Path) -> None:
    found = kvm.obstacle(host(tmp_path, "vmx", **{"sys/class/misc/kvm/dev": "10:232\n"}))
    assert found is not None
    assert "--device /dev/kvm" in (found.remedy or "")


def test_an_arm64_kernel_that_was_not_started_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    found = kvm.obstacle(trees.write(tmp_path, {"proc/cpuinfo": "Features\t: fp asimd\n"}))
    assert found is not None
    assert "EL2" in found.reason


def test_pvm_and_nesting_are_named(tmp_path: Path) -> None:
    assert kvm.kind(host(tmp_path / "metal", "vmx")) is None
    nested = kvm.kind(host(tmp_path / "nested", "hypervisor vmx"))
    assert nested is not None
    assert "nested" in nested.reason
    pvm = kvm.kind(host(tmp_path / "pvm", "hypervisor", **{"sys/module/kvm_pvm/refcnt": "0\n"}))
    assert pvm is not None
    assert "CONFIG_PVM_GUEST" in pvm.reason
