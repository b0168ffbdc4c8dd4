"""The verdicts on accelerators, from what one look and more saw."""

import platform

import pytest

from vmdriver.accelerator import audit
from vmdriver.architecture import AARCH64, X86_64
from vmdriver.host.kvm import Obstacle
from vmdriver.microguest.run import Native, Run

SILENT = Run(None, spoke=False, silence="the guest's CPU ran for 9 s and did nothing")
FAST, SLOW, DISTURBED = Run(2e9, spoke=True), Run(1e6, spoke=True), Run(1e9, spoke=True)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A PC with QEMU and KVM of which nothing is known before a look."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("vmdriver.accelerator.count_natively", lambda _cpus: Native(3e9, 0.02))
    monkeypatch.setattr("vmdriver.accelerator.shutil.which", lambda name: name)
    monkeypatch.setattr("vmdriver.accelerator.kvm.obstacle", lambda: None)
    monkeypatch.setattr("vmdriver.accelerator.kvm.kind", lambda: None)
    return monkeypatch


@pytest.fixture
def looks(host: pytest.MonkeyPatch) -> list[Run]:
    """What the looks at QEMU will see, one after another, the last again and again."""
    seen: list[Run] = []

    def run(*_what: str, **_how: object) -> Run:
        return seen.pop(0) if len(seen) > 1 else seen[0]

    host.setattr("vmdriver.accelerator.run", run)
    return seen


@pytest.mark.parametrize(("name", "verdict"), [("tcg", "emulates"), ("kvm", "accelerates")])
def test_translation_never_accelerates_however_fast_it_seems(
    name: str, verdict: str, looks: list[Run]
) -> None:
    looks += [FAST]
    assert audit((name,))[0].verdict == verdict


def test_a_guest_that_was_silent_once_is_waited_for_again_and_longer(
    host: pytest.MonkeyPatch,
) -> None:
    units: list[float] = []

    def run(*_what: str, unit_s: float, **_how: object) -> Run:
        units.append(unit_s)
        return SILENT if len(units) == 1 else FAST

    host.setattr("vmdriver.accelerator.run", run)
    assert audit(("kvm",))[0].verdict == "accelerates"
    assert units[1] > units[0] >= 0.02


def test_a_guest_that_does_nothing_is_unusable_and_the_words_say_what_it_did(
    looks: list[Run],
) -> None:
    looks += [SILENT]
    (found,) = audit(("kvm",))
    assert (found.verdict, found.available, found.remedy) == ("unusable", False, None)
    assert found.reason == SILENT.silence


def test_a_disturbed_look_is_repeated_before_it_counts(looks: list[Run]) -> None:
    looks += [DISTURBED, FAST]
    assert audit(("kvm",))[0].verdict == "accelerates"


def test_one_that_stays_slow_emulates(looks: list[Run]) -> None:
    looks += [DISTURBED]
    (found,) = audit(("kvm",))
    assert found.verdict == "emulates"
    assert found.ratio == pytest.approx(1 / 3)


def test_an_emulating_kvm_is_told_by_its_kind(looks: list[Run], host: pytest.MonkeyPatch) -> None:
    looks += [SLOW]
    host.setattr("vmdriver.accelerator.kvm.kind", lambda: Obstacle("it is PVM", "move"))
    (found,) = audit(("kvm",))
    assert (found.verdict, found.remedy) == ("emulates", "move")
    assert found.reason.endswith("; it is PVM")


def test_a_host_whose_own_speed_is_unknown_ranks_nothing(
    looks: list[Run], host: pytest.MonkeyPatch
) -> None:
    host.setattr("vmdriver.accelerator.count_natively", lambda _cpus: None)
    looks += [FAST]
    (found,) = audit(("kvm",))
    assert (found.verdict, found.ratio) == ("emulates", None)


def test_on_a_hybrid_processor_both_halves_run_on_the_fast_kind(host: pytest.MonkeyPatch) -> None:
    fast, slow = frozenset({0, 1}), frozenset({2, 3})
    pinned: list[object] = []
    host.setattr("vmdriver.accelerator.cpus.kinds", lambda _cpus: (fast, slow))
    host.setattr(
        "vmdriver.accelerator.count_natively",
        lambda cpus: pinned.append(cpus) or Native(3e9, 0.02),  # type: ignore[func-returns-value]
    )

    def run(*_what: str, cpus: object, **_how: object) -> Run:
        pinned.append(cpus)
        return FAST

    host.setattr("vmdriver.accelerator.run", run)
    audit(("kvm",))
    assert pinned == [fast, fast]


def test_a_qemu_that_is_not_there_is_a_verdict() -> None:
    (found,) = audit(("tcg",), qemu="/nowhere/qemu")
    assert found.verdict == "unusable"
    assert found.reason == "/nowhere/qemu cannot be run"
    assert "qemu-kvm (Fedora, RHEL)" in (found.remedy or "")


def test_another_architecture_is_said_to_be_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    for found in audit():
        assert (found.verdict, found.available) == ("unusable", False)
        assert found.reason == "VMs are driven on x86-64 and arm64, not on riscv64"


def test_an_arm64_host_runs_its_own_guest_on_its_own_qemu(host: pytest.MonkeyPatch) -> None:
    host.setattr(platform, "machine", lambda: "aarch64")
    asked: list[tuple[str, ...]] = []

    def run(*what: str, **_how: object) -> Run:
        asked.append(what)
        return FAST

    host.setattr("vmdriver.accelerator.run", run)
    assert [found.verdict for found in audit()] == ["accelerates", "emulates"]
    qemu = "qemu-system-aarch64"
    assert asked == [("kvm", "aarch64", qemu), ("tcg", "aarch64", qemu)]


def test_a_qemu_of_rhel_s_is_found_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    rhel = "/usr/libexec/qemu-kvm"
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr("shutil.which", lambda name: name if name == rhel else None)
    assert X86_64.qemu == rhel
    assert AARCH64.qemu == "/usr/bin/qemu-system-aarch64"  # that one is of another architecture


def test_kvm_runs_no_guest_of_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    (found,) = audit(("kvm",), architecture="aarch64")
    assert found.verdict == "unusable"
    assert found.reason == "KVM runs guests of the host's own architecture, x86_64, only"
