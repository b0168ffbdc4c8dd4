"""Device lists of v1, and the program of v2."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from runtime.cgroups import bpf, device_program, devices, v2
from runtime.spec import DeviceRule
from runtime.spec.devices import DEFAULT_DEVICES
from tests.integration.runtime.cgroups.conftest import limit, member, needs_v1

if TYPE_CHECKING:
    from pathlib import Path

    from runtime.cgroups import Group

pytestmark = needs_v1


TRY = """
import os
for name, flags in (("null", os.O_RDWR), ("zero", os.O_RDONLY), ("kmsg", os.O_RDONLY)):
    path = "/dev/" + name
    try:
        os.close(os.open(path, flags))
        print(path, "ok")
    except OSError as error:
        print(path, error.errno)
try:
    os.mknod("node", 0o020666, os.makedev(1, 3))
    print("mknod ok")
    os.unlink("node")
except OSError as error:
    print("mknod", error.errno)
"""


def tried(group: Group, folder: Path) -> dict[str, str]:
    with member(group, sys.executable, "-I", "-S", "-c", TRY, cwd=folder) as process:
        return dict(line.split() for line in process.communicate(timeout=20)[0].splitlines())


def test_devices(either: Group, tmp_path: Path) -> None:
    limit(either, devices=DEFAULT_DEVICES)
    assert tried(either, tmp_path) == {
        "/dev/null": "ok", "/dev/zero": "ok", "/dev/kmsg": "1", "mknod": "1",
    }  # fmt: skip
    # a later list takes the place of the earlier one; wildcards, and rules by kind of access
    limit(either, devices=(*DEFAULT_DEVICES, DeviceRule(allow=True, type="c", access="m")))
    assert tried(either, tmp_path)["mknod"] == "ok"
    read_only = (
        DeviceRule(allow=True, type="c", major=1, access="rw"),
        DeviceRule(allow=False, type="c", major=1, access="w"),
    )
    limit(either, devices=read_only)
    assert tried(either, tmp_path) == {
        "/dev/null": "1", "/dev/zero": "ok", "/dev/kmsg": "ok", "mknod": "1",
    }  # fmt: skip
    limit(either, devices=(DeviceRule(allow=True),))
    assert set(tried(either, tmp_path).values()) == {"ok"}


def test_one_device_program_at_a_time_and_none_of_others(unified: v2.UnifiedGroup) -> None:
    fd = unified.into_fd()
    foreign = bpf.load(
        device_program.assemble(devices.policy([asdict(DeviceRule(allow=True))])), "someone_else"
    )
    bpf.attach(fd, foreign)
    os.close(foreign)
    for _ in range(3):
        limit(unified, devices=DEFAULT_DEVICES)
        programs = bpf.attached(fd, device_program.NAME)
        others = bpf.attached(fd, "someone_else")
        for descriptor in (*programs, *others):
            os.close(descriptor)
        assert (len(programs), len(others)) == (1, 1)
