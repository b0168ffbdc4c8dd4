"""The networks a container can have, tried from inside; the bridge itself is tested beside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from runtime import Engine, clean, leftovers
from runtime.network import choice
from tests.integration.runtime.conftest import executed, traces

if TYPE_CHECKING:
    from benchmarks.image import Image
    from runtime import Spec

HARNESS = """
import sys, time
from pathlib import Path
from runtime import Engine, profiles
engine = Engine(Path(sys.argv[1]))
spec = profiles.default(rootfs=Path(sys.argv[2]), args=["sleep", "1000"])
container = engine.run(spec, attach=True)
print(engine.name, flush=True)
time.sleep(60)
"""


def fetch(address: str) -> list[str]:
    # the other side may not listen yet
    send = f"echo hello | busybox nc -w 5 {address} 5000"
    return ["sh", "-c", f"for i in 1 2 3 4 5 6 7 8 9; do {send} && exit; sleep 0.2; done; exit 1"]


def test_two_on_a_bridge_reach_each_other_and_leave_nothing(engine: Engine, spec: Spec) -> None:
    with engine.run(spec, attach=True) as one, engine.run(spec, attach=True) as two:
        assert one.attachment
        assert two.attachment
        assert one.attachment.address != two.attachment.address
        address = str(one.attachment.address.ip)
        with one.exec(["sh", "-c", "busybox nc -l -p 5000 > /got"]) as server:
            assert executed(two, *fetch(address))[0] == 0
            server.wait(5)
        assert executed(one, "cat", "/got") == (0, "hello\n")
        assert "eth0" in executed(two, "cat", "/proc/net/dev")[1]


def test_the_interface_is_there_before_the_workload(engine: Engine, spec: Spec) -> None:
    program = ("sh", "-c", "grep -c eth0 /proc/net/dev; sleep 1000")
    read, write = os.pipe()
    with engine.run(
        replace(spec, process=replace(spec.process, args=program)),
        attach=True,
        stdio=(write, write, write),
    ):
        os.close(write)
        with os.fdopen(read) as pipe:
            assert pipe.readline() == "1\n"


def test_none_has_no_loopback_and_the_default_has(engine: Engine, spec: Spec) -> None:
    flags = ("cat", "/sys/class/net/lo/flags")  # IFF_UP is 1, IFF_LOOPBACK 8
    with engine.run(spec) as container:
        assert executed(container, *flags)[1] == "0x9\n"
    with engine.run(choice.none(spec)) as container:
        assert executed(container, *flags)[1] == "0x8\n"


def test_host_and_join_share_what_they_name(engine: Engine, spec: Spec) -> None:
    with (
        engine.run(spec, attach=True) as one,
        engine.run(choice.join(spec, one)) as guest,
        engine.run(choice.host(spec)) as local,
    ):
        same = executed(one, "readlink", "/proc/self/ns/net")[1]
        assert executed(guest, "readlink", "/proc/self/ns/net")[1] == same
        ours = str(Path("/proc/self/ns/net").readlink())
        assert executed(local, "readlink", "/proc/self/ns/net")[1].strip() == ours


def test_a_killed_harness_leaves_a_bridge_that_clean_finds(state: Path, image: Image) -> None:
    harness = subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(state), str(image.root)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    name = harness.stdout.readline().strip()
    harness.send_signal(signal.SIGKILL)
    harness.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:  # the spawner removes what is its own, and ends
        if found := leftovers(state):
            break
        time.sleep(0.05)
    assert any("bridge" in line for line in found)
    clean(state)
    assert leftovers(state) == []
    assert traces(name) == []
