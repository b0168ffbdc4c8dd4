import os
import platform
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmdriver.accelerator import _audit_one, _Run, _speed, audit, native_loops_per_s
from vmdriver.architecture import ARCHITECTURES
from vmdriver.host.tsc import host_khz
from vmdriver.microguest import programs

HOST = platform.machine()
CROSS = "aarch64-linux-gnu-"


@pytest.mark.skipif(HOST != "x86_64", reason="this host's assembler is another architecture's")
def test_the_bytes_are_those_of_the_source(tmp_path: Path) -> None:
    source = Path(programs.__file__).with_name("loop.S")
    subprocess.run(["as", "--32", "-o", tmp_path / "loop.o", source], check=True)
    subprocess.run(
        ["objcopy", "-O", "binary", "-j", ".text", tmp_path / "loop.o", tmp_path / "loop.bin"],
        check=True,
    )
    assert (tmp_path / "loop.bin").read_bytes() == programs.GUEST


@pytest.mark.skipif(shutil.which(f"{CROSS}as") is None, reason=f"there is no {CROSS}as here")
def test_the_bytes_of_arm64_are_those_of_the_source(tmp_path: Path) -> None:
    loop = Path(programs.__file__).with_name("loop_aarch64.S").read_text()
    function = "count: subs w0, w0, #1\n b.ne count\n ret\n"
    for source, code in ((loop, programs.GUEST_AARCH64), (function, programs.NATIVE_AARCH64)):
        made, plain = tmp_path / "made.o", tmp_path / "made.bin"
        subprocess.run([f"{CROSS}as", "-o", made, "-"], input=source.encode(), check=True)
        subprocess.run([f"{CROSS}objcopy", "-O", "binary", "-j", ".text", made, plain], check=True)
        assert plain.read_bytes() == code


def test_every_architecture_has_a_guest_that_counts_the_native_loop() -> None:
    assert list(programs.MICROGUESTS) == list(ARCHITECTURES)
    for guest in programs.MICROGUESTS.values():
        assert len(guest.rom) <= programs.ROM_SIZE
        assert any("chardev=out" in word or "chardev:out" in word for word in guest.arguments)
    backwards = bytes.fromhex("e1ffff54")  # b.ne to the instruction before
    assert backwards in programs.GUEST_AARCH64
    assert backwards in programs.NATIVE_AARCH64


def test_the_rom_ends_with_the_reset_vector() -> None:
    assert len(programs.rom()) == 1 << 16
    assert programs.rom().endswith(programs.GUEST)


def test_the_speed_is_that_of_the_last_whole_round() -> None:
    assert _speed([1.0, 1.5, 1.75]) == pytest.approx((programs.FIRST_ROUND << 1) / 0.25)
    assert _speed([1.0]) is None
    assert _speed([1.0, 1.0]) is None


@pytest.mark.skipif(HOST not in ARCHITECTURES, reason="the loop is machine code of others")
def test_the_host_counts_faster_than_an_interpreter() -> None:
    speed = native_loops_per_s()
    assert speed is not None
    assert speed > 1e8


@pytest.mark.parametrize(("name", "verdict"), [("tcg", "emulates"), ("kvm", "accelerates")])
def test_translation_never_accelerates_however_fast_it_seems(
    name: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmdriver.accelerator._run", lambda *_: _Run(2e9, 20, ""))
    monkeypatch.setattr("vmdriver.accelerator.shutil.which", lambda _: "/usr/bin/qemu")
    monkeypatch.setattr("vmdriver.accelerator.os.access", lambda *_: True)
    assert _audit_one(name, HOST, "qemu", 3e9).verdict == verdict


def test_a_qemu_that_is_not_there_is_a_verdict() -> None:
    (found,) = audit(("tcg",), qemu="/nowhere/qemu")
    assert found.verdict == "unusable"
    assert "/nowhere/qemu" in found.reason


def test_another_architecture_is_said_to_be_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    for found in audit():
        assert (found.verdict, found.available) == ("unusable", False)
        assert found.reason == "VMs are driven on x86-64 and arm64, not on riscv64"
    assert native_loops_per_s() is None


def test_an_arm64_host_runs_its_own_guest_on_its_own_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr("vmdriver.accelerator.native_loops_per_s", lambda: 3e9)
    asked: list[tuple[str, ...]] = []

    def run(name: str, *others: str) -> _Run:
        asked.append((name, *others[:2]))
        return _Run(2e9, 20, "")

    monkeypatch.setattr("vmdriver.accelerator._run", run)
    monkeypatch.setattr("vmdriver.accelerator.os.access", lambda *_: True)
    qemu = "/usr/bin/qemu-system-aarch64"
    monkeypatch.setattr("vmdriver.accelerator.shutil.which", lambda name: name)
    assert [found.verdict for found in audit()] == ["accelerates", "emulates"]
    assert asked == [("kvm", "aarch64", qemu), ("tcg", "aarch64", qemu)]
    monkeypatch.setattr("vmdriver.accelerator.shutil.which", lambda _: None)
    assert audit(("tcg",))[0].reason == f"{qemu} cannot be run; install qemu-system-arm"


def test_kvm_runs_no_guest_of_another_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    (found,) = audit(("kvm",), architecture="aarch64")
    assert found.verdict == "unusable"
    assert found.reason == "KVM runs guests of the host's own architecture, x86_64, only"


def test_a_killed_audit_leaves_neither_process_nor_file(tmp_path: Path) -> None:
    fake = tmp_path / "qemu"
    fake.write_text("#!/bin/sh\necho $$ > $0.pid\nwhile :; do :; done\n")
    fake.chmod(0o755)
    harness = f"from vmdriver import audit; audit(('tcg',), qemu={str(fake)!r})"
    with subprocess.Popen(
        [sys.executable, "-c", harness], env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        pid = tmp_path / "qemu.pid"
        until = time.monotonic() + 10
        while not (pid.exists() and pid.read_text().endswith("\n")):
            assert time.monotonic() < until
            time.sleep(0.005)
        pidfd = os.pidfd_open(int(pid.read_text()))
        process.kill()
        assert select.select([pidfd], [], [], 5)[0], "the audit's QEMU runs on"
        os.close(pidfd)
    assert sorted(tmp_path.iterdir()) == [fake, pid]


def test_the_words_of_a_failing_qemu_are_kept(tmp_path: Path) -> None:
    fake = tmp_path / "qemu"
    fake.write_text("#!/bin/sh\necho 'no such machine' >&2\nexit 1\n")
    fake.chmod(0o755)
    (found,) = audit(("tcg",), qemu=str(fake))
    assert (found.verdict, found.available) == ("unusable", False)
    assert "no such machine" in found.reason


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the counter is x86-64's")
def test_the_time_stamp_counter_s_speed_is_found_again() -> None:
    first = host_khz()
    host_khz.cache_clear()
    assert host_khz() == pytest.approx(first, rel=1e-3)
    assert 100_000 < first < 100_000_000
