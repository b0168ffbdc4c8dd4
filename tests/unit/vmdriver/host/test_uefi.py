"""Which UEFI firmware of a host is taken, by its packages' descriptions."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from vmdriver import STOCK_UEFI, ConfigError, VmConfig
from vmdriver.host import uefi

PC: list[dict[str, object]] = [
    {"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]},
]


class Host:
    """Folders of descriptions, and the files they describe."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folders = (folder / "usr", folder / "etc")
        for path in self.folders:
            path.mkdir()

    def describe(
        self,
        name: str,
        *features: str,
        where: str = "usr",
        targets: list[dict[str, object]] = PC,
        **mapping: object,
    ) -> None:
        code, variables = self.folder / f"{name}.code", self.folder / f"{name}.vars"
        code.write_bytes(b"code")
        variables.write_bytes(b"variables")
        build = {
            "interface-types": ["uefi"],
            "mapping": {
                "device": "flash",
                "executable": {"filename": str(code), "format": "raw"},
                "nvram-template": {"filename": str(variables), "format": "raw"},
                **mapping,
            },
            "targets": targets,
            "features": ["acpi-s3", *features],
        }
        (self.folder / where / f"{name}.json").write_text(json.dumps(build))

    def found(self, machine: str = "q35") -> str:
        return uefi.find(machine, self.folders).code.stem


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_first_without_secure_boot_is_taken(host: Host) -> None:
    host.describe("40-secure", "secure-boot", "enrolled-keys", "requires-smm")
    host.describe("60-plain")
    host.describe("70-other")
    found = uefi.find("q35", host.folders)
    assert found == uefi.Firmware(host.folder / "60-plain.code", host.folder / "60-plain.vars")
    assert host.found("pc-q35-9.2") == host.found("pc") == "60-plain"


def test_an_administrator_s_description_replaces_the_package_s(host: Host) -> None:
    host.describe("60-plain")
    host.describe("70-other")
    (host.folder / "etc" / "60-plain.json").touch()  # QEMU's way to hide one
    assert host.found() == "70-other"


def test_what_cannot_be_used_is_passed_over(host: Host) -> None:
    host.describe("10-rom", device="memory")
    host.describe("20-stateless", mode="stateless")
    host.describe("30-qcow2", executable={"filename": "/x", "format": "qcow2"})
    (host.folder / "usr" / "40-broken.json").write_text("{]")
    (host.folder / "usr" / "50-other.json").write_text('["of another kind"]')
    host.describe("60-gone")
    (host.folder / "60-gone.vars").unlink()
    host.describe("70-plain")
    assert host.found() == "70-plain"


def test_arm64_s_is_another(host: Host) -> None:
    host.describe("60-plain")
    host.describe("61-arm", targets=[{"architecture": "aarch64", "machines": ["virt-*"]}])
    assert host.found("virt") == host.found("virt-9.2") == "61-arm"
    assert host.found("q35") == "60-plain"


@pytest.mark.parametrize(
    ("machine", "package"), [("microvm", "ovmf"), ("virt", "qemu-efi-aarch64")]
)
def test_a_machine_without_any_is_named_with_what_to_install(
    host: Host, machine: str, package: str
) -> None:
    host.describe("60-plain")
    with pytest.raises(ConfigError, match=f"for the machine {machine}.*; install {package}"):
        host.found(machine)


def test_a_vm_without_firmware_is_refused_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = uefi.find
    monkeypatch.setattr("vmdriver.host.uefi.find", lambda machine: find(machine, (tmp_path,)))
    for name in ("kernel", "initrd", "disk"):
        (tmp_path / name).write_bytes(b"x")
    files = (tmp_path / name for name in ("kernel", "initrd", "disk"))
    config = VmConfig(
        "one", *files, profile=replace(STOCK_UEFI, name="mine"), architecture="x86_64"
    )
    with pytest.raises(ConfigError, match="install ovmf"):
        config.check()
