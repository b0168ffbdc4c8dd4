"""How long the micro-guest is waited for, by programs that stand in for QEMU."""

import os
import platform
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vmdriver.accelerator import audit
from vmdriver.architecture import ARCHITECTURES
from vmdriver.microguest.programs import FIRST_ROUND
from vmdriver.microguest.run import count_natively, run, speed

HOST = platform.machine()
UNIT_S = 0.005
SPIN = "while True: pass"
AS_GUEST_CPU = "open('/proc/self/comm', 'w').write('CPU 0/KVM')"


def qemu(folder: Path, program: str) -> str:
    fake = folder / "qemu"
    fake.write_text(f"#!{sys.executable} -IS\nimport sys, time\n{program}\n")
    fake.chmod(0o755)
    return str(fake)


def test_the_speed_is_that_of_the_last_whole_round() -> None:
    assert speed([1.0, 1.5, 1.75]) == pytest.approx((FIRST_ROUND << 1) / 0.25)
    assert speed([1.0]) is None
    assert speed([1.0, 1.0]) is None


@pytest.mark.skipif(HOST not in ARCHITECTURES, reason="the loop is machine code of others")
def test_the_host_counts_faster_than_an_interpreter() -> None:
    found = count_natively()
    assert found is not None
    assert found.loops_per_s > 2e7
    assert found.start_s > 0


def test_no_host_of_another_architecture_is_counted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert count_natively() is None


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (f"{AS_GUEST_CPU}\n{SPIN}", "the guest's CPU ran for"),
        (SPIN, "had not started its guest"),
        ("time.sleep(60)", "QEMU did nothing for"),
    ],
)
def test_what_was_waited_for_in_vain_is_told_apart(
    program: str, words: str, tmp_path: Path
) -> None:
    found = run("kvm", "x86_64", qemu(tmp_path, program), unit_s=UNIT_S)
    assert not found.spoke
    assert words in found.silence


def test_a_slow_start_is_no_silence(tmp_path: Path) -> None:
    slow = "while time.process_time() < 0.3: pass\nprint('.', flush=True)"
    found = run("kvm", "x86_64", qemu(tmp_path, slow), unit_s=0.02)
    assert (found.spoke, found.silence) == (True, "")


def test_a_guest_that_counts_without_end_is_left_after_its_time(tmp_path: Path) -> None:
    endless = f"print('..', end='', flush=True)\n{SPIN}"
    began = time.process_time()
    found = run("kvm", "x86_64", qemu(tmp_path, endless), unit_s=UNIT_S)
    assert found.spoke
    assert found.silence == ""
    assert time.process_time() - began < 5


def test_the_words_of_a_failing_qemu_are_kept(tmp_path: Path) -> None:
    failing = "print('qemu-system-x86_64: no such machine', file=sys.stderr); sys.exit(1)"
    found = run("tcg", "x86_64", qemu(tmp_path, failing), unit_s=UNIT_S)
    assert (found.spoke, found.silence) == (False, "")
    assert found.words == "QEMU said: no such machine"


def test_a_killed_audit_leaves_neither_process_nor_file(tmp_path: Path) -> None:
    fake = tmp_path / "qemu"
    fake.write_text("#!/bin/sh\necho $$ > $0.pid\nwhile :; do :; done\n")
    fake.chmod(0o755)
    harness = f"from vmdriver import audit; audit(('tcg',), qemu={str(fake)!r})"
    with subprocess.Popen(
        [sys.executable, "-c", harness], env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        pid = tmp_path / "qemu.pid"
        until = time.monotonic() + 60
        while not (pid.exists() and pid.read_text().endswith("\n")):
            assert time.monotonic() < until
            time.sleep(0.005)
        pidfd = os.pidfd_open(int(pid.read_text()))
        process.kill()
        assert select.select([pidfd], [], [], 5)[0], "the audit's QEMU runs on"
        os.close(pidfd)
    assert sorted(tmp_path.iterdir()) == [fake, pid]


def test_a_real_qemu_runs_the_guest() -> None:
    (found,) = audit(("tcg",))
    if "cannot be run" in found.reason:
        pytest.skip("there is no QEMU here")
    assert (found.available, found.verdict) == (True, "emulates")
