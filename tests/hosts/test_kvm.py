"""KVM as an ordinary host has it: found every time, and every machine boots under it.

Left out: a distribution, since building one here takes as long as everything else; and UEFI, under
which the emulator of this host (QEMU 10.0, SVM under TCG) ends in a failed assertion of its own.
"""

import json
import shlex
from typing import Any

import pytest

from tests.hosts.framework.machine import Machine

pytestmark = pytest.mark.usefixtures("unchanged")

_KVM = ("debian13", "linux-6.1", "numa")
_AUDIT = """
import json, vmdriver
for _ in range({times}):
    (found,) = vmdriver.audit(("kvm",))
    print(json.dumps([found.verdict, found.reason, found.remedy]))
"""


def audit(host: Machine, times: int = 1, python: str = ".venv/bin/python") -> list[Any]:
    """What the audit says, so many times, of KVM."""
    program = shlex.quote(_AUDIT.format(times=times))
    done = host.run(f"{python} -c {program}")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.host(*_KVM)
def test_the_audit_says_the_same_every_time(host: Machine) -> None:
    found = audit(host, times=3)
    assert {verdict for verdict, _reason, _remedy in found} == {"accelerates"}, found
    assert all("nested" in reason for _verdict, reason, _remedy in found), found


@pytest.mark.host(*_KVM)
def test_a_user_who_may_not_open_it_is_told_the_group(host: Machine) -> None:
    # The checkout lies in root's home.
    nobody = "setpriv --reuid nobody --regid nogroup --clear-groups"
    own = f"rm -rf /tmp/kvm && mkdir /tmp/kvm && cp -r vmdriver /tmp/kvm && cd /tmp/kvm && {nobody}"
    ((verdict, reason, remedy),) = audit(host, python=f"{own} python3")
    host.run("rm -rf /tmp/kvm")
    assert verdict == "unusable"
    assert reason == "this user may not open /dev/kvm"
    assert "join the group kvm" in remedy


@pytest.mark.host("no-svm")
def test_a_virtual_machine_without_nesting_is_told_so(host: Machine) -> None:
    ((verdict, reason, remedy),) = audit(host)
    assert verdict == "unusable"
    assert "given no hardware virtualization" in reason
    assert "enable nested virtualization" in remedy


@pytest.mark.slow
@pytest.mark.host(*_KVM)
def test_every_machine_boots_and_nothing_is_registered(host: Machine) -> None:
    """The driver's own tests of KVM, on a host where they are not skipped."""
    tests = "tests/integration/vmdriver/test_kvm.py -k 'not distribution and not uefi'"
    folder = "/root/guests-of-the-tests"
    try:
        done = host.run(
            f".venv/bin/python -m pytest -q -rs --basetemp={folder} {tests}", timeout=1700
        )
    finally:
        host.run(f"rm -rf --one-file-system {folder}")
    assert "1 skipped" in done.stdout, done.stdout  # the one for a KVM that emulates
    units = host.run("systemctl list-units --all --plain --no-legend 'machine-*'").stdout
    assert "machine-qemu" not in units  # podman has its containers in machine.slice
