"""The probes in a real guest: nothing of the host is seen, and its reading settles constants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.experiments import probes, sweep
from benchmarks.experiments.probes import Outcome, Verdict
from benchmarks.experiments.surface import attribution, trace, tracer
from vmdriver import Driver, VmConfig

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from vmdriver import Vm

PAYLOAD = ("sh", "-c", "echo m >&3; exec sleep 600")


@pytest.fixture(scope="module")
def vm(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vm]:
    config = VmConfig(
        name="probed",
        kernel=image.vmlinux,
        initrd=image.initramfs,
        disk=image.block,
        payload=PAYLOAD,
        accelerator="tcg",
    )
    with Driver(tmp_path_factory.mktemp("vm")) as driver, driver.start(config) as started:
        yield started


@pytest.fixture(scope="module")
def guest(vm: Vm) -> probes.Examination:
    return probes.examine(lambda argv: vm.exec(argv, timeout_s=60).stdout)


def test_no_probe_errs(guest: probes.Examination) -> None:
    findings = [*probes.judge(guest), *probes.judge_controls(guest)]
    assert {finding.error for finding in findings} == {None}


def test_every_probe_shows_what_a_vm_should(guest: probes.Examination) -> None:
    found = {finding.probe: finding.verdict for finding in probes.judge(guest)}
    assert [probe.id for probe in probes.PROBES if found[probe.id] not in probe.vm] == []


def test_no_control_reaches_the_host(guest: probes.Examination) -> None:
    found = probes.judge_controls(guest)
    assert [finding for finding in found if finding.outcome is Outcome.OPEN] == []
    mount = next(finding for finding in found if finding.control == "mount")
    assert "guest's own kernel" in mount.evidence


def test_the_guest_s_reading_turns_a_constant_into_a_leak(
    guest: probes.Examination, hardened: probes.Examination
) -> None:
    alone = {finding.probe: finding.verdict for finding in probes.judge(hardened)}
    beside = {finding.probe: finding.verdict for finding in probes.judge(hardened, guest.sandbox)}
    assert alone["kernel"] is Verdict.SHARED_CONSTANT
    assert beside["kernel"] is Verdict.SHARED_LIVE


def test_the_agent_is_quick_enough_for_an_emulated_cpu(guest: probes.Examination) -> None:
    assert guest.sandbox is not None
    assert guest.sandbox.took_ns < 10 * 10**9


def test_a_sweep_sees_nothing_of_the_host_in_a_guest(vm: Vm) -> None:
    folders = ("/proc", "/proc/sys/kernel", "/proc/net")
    files = [path for path in sweep.readable_files() if path.rpartition("/")[0] in folders]
    found = sweep.collect(lambda argv, data: vm.exec(argv, stdin=data, timeout_s=60).stdout, files)
    assert found.own_kernel
    words = {one.path: one.verdict for one in sweep.judge(found)}
    assert [path for path, word in words.items() if word in {None, Verdict.SHARED_LIVE}] == []
    assert words["/proc/uptime"] is Verdict.NAMESPACED
    assert words["/proc/sys/kernel/ostype"] is Verdict.SHARED_CONSTANT


def test_functions_of_a_kernel_that_allows_it_are_recorded(vm: Vm) -> None:
    """In the guest, whose kernel does not lock the function tracer up as many hosts' do."""
    program = (
        # seldom, for an emulated CPU reads a long recording slowly
        "while read -r _ < /proc/uptime; do sleep 1; done & traced=$!; mkfifo /tmp/ends; "
        'python3 -I -S -c "$0" word 16384 functions $traced < /tmp/ends > /tmp/told & '
        "tracer=$!; exec 3> /tmp/ends; until grep -q . /tmp/told; do sleep 0.1; done; "
        "sleep 1.5; exec 3>&-; wait $tracer; kill $traced; cat /tmp/told"
    )
    source = Path(tracer.__file__).read_text(encoding="utf-8")
    done = vm.exec(["sh", "-c", program, source], timeout_s=120)
    told = trace._parse(done.stdout.decode().partition("\n")[2])  # after "tracing PID"
    assert "vfs_read" in attribution.functions(told)
