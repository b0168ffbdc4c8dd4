"""Which kinds of VM a host's architecture has."""

import pytest

from benchmarks.errors import UnsuitableHostError
from benchmarks.sandboxes.vm import variants


def test_a_pc_has_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert variants.find("microvm").profile.machine == "microvm"
    assert variants.find("uefi").profile.firmware == "uefi"


@pytest.mark.parametrize("kind", ["microvm", "uefi"])
def test_what_only_a_pc_can_be_says_so_on_arm64(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(UnsuitableHostError, match=f"vm:{kind} is a PC, machine .* use vm or vm:st"):
        variants.find(kind)
