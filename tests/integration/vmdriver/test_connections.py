"""The same VMs through a daemon: a private libvirtd, as root's and as an ordinary user's."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.framework import libvirt_daemon as daemons
from tests.framework.fault_table import told
from tests.framework.libvirt_daemon import Daemon
from tests.integration.vmdriver.conftest import Configure, when
from vmdriver import (
    STOCK_UEFI,
    TUNED,
    Deadlines,
    Driver,
    FirmwareStuckError,
    QemuDiedError,
    RefusedError,
    VmConfig,
    clean,
    left_alone,
    leftovers,
)


@pytest.fixture(scope="module")
def system() -> Iterator[Daemon]:
    with daemons.system() as started:
        yield started


@pytest.fixture(scope="module")
def through(system: Daemon) -> Iterator[Driver]:
    with Driver(system.folder / "state", system.uri) as opened:
        yield opened


@pytest.fixture
def config(system: Daemon, configure: Configure) -> VmConfig:
    return system.within_reach(configure())


def nothing_stays(through: Driver) -> bool:
    return leftovers(through.state) == [] and through.connection.names() == []


def test_a_daemon_s_vm_does_what_ours_does(through: Driver, config: VmConfig) -> None:
    assert through.connection.probing_s > 0
    owner = config.disk.stat().st_uid
    with through.start(config) as vm:
        boundaries = ["requested", "spawned", "vmm_ready", "kernel", "init", "main"]
        stamps = [vm.stamps[name] for name in boundaries]
        assert stamps == sorted(stamps)
        done = vm.exec(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in")
        assert (done.exit_code, done.stdout, done.stderr) == (3, b"in", b"err\n")
        assert vm.cpu_time_s() > 0
        assert vm.memory().guest_ram_bytes > 0
        # The daemon's own user runs QEMU, and the image has not become that user's.
        assert through.connection.owner is not None
        assert Path(f"/proc/{vm.pid}").stat().st_uid == through.connection.owner[0]
        assert config.disk.stat().st_uid == owner
        assert b"Linux version" in vm.console.read_bytes()
        vm.stop(grace_s=1.0)
        assert not vm.forced
    assert nothing_stays(through)


def test_a_daemon_s_own_words_are_kept(through: Driver, config: VmConfig) -> None:
    profile = replace(TUNED, machine="pc-q35-99.9")
    with pytest.raises(RefusedError, match="does not support machine type"):
        through.start(replace(config, profile=profile))
    out_of_reach = replace(config, disk=through.state / "v" / "libvirt.log")
    out_of_reach.disk.write_text("not empty")
    out_of_reach.disk.chmod(0o600)
    with told("daemon's QEMU cannot reach a file"):
        through.start(out_of_reach)
    assert nothing_stays(through)


def test_a_daemon_s_user_can_write_the_variables_of_its_uefi(
    through: Driver, config: VmConfig
) -> None:
    profile = replace(STOCK_UEFI, init="tare")
    # QEMU runs, which it would not without them; half a second is too short for the firmware.
    with pytest.raises(FirmwareStuckError, match="its firmware, uefi, started no kernel"):
        through.start(replace(config, profile=profile, deadlines=Deadlines(kernel_s=0.5)))
    assert nothing_stays(through)


def test_a_daemon_s_qemu_that_is_killed(through: Driver, config: VmConfig) -> None:
    thread = when(through, "killed", "returned", lambda pid: os.kill(pid, signal.SIGKILL))
    with pytest.raises(QemuDiedError, match="ended with signal SIGKILL before"):
        through.start(replace(config, name="killed"))
    thread.join()
    assert nothing_stays(through)


def test_a_daemon_that_hangs_is_not_waited_for(
    system: Daemon, config: VmConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmdriver.libvirt.connection.KEEPALIVE", (1, 1))
    with Driver(system.folder / "other", system.uri) as driver:
        os.kill(system.pid, signal.SIGSTOP)
        try:
            with told("daemon hangs"):
                driver.start(config)
        finally:
            os.kill(system.pid, signal.SIGCONT)
        assert leftovers(driver.state) == []


def test_no_daemon_is_named(tmp_path: Path) -> None:
    uri = f"qemu:///system?socket={tmp_path}/none"
    with told("no daemon"):
        Driver(tmp_path / "state", uri)
    assert leftovers(tmp_path / "state") == []


USER = """
import sys, time
from pathlib import Path
from vmdriver import Driver, VmConfig
state, kernel, initrd, disk = map(Path, sys.argv[1:])
with Driver(state, "qemu:///session") as driver:
    payload = ("sh", "-c", "echo m >&3; exec sleep 600")
    with driver.start(VmConfig("users", kernel, initrd, disk, payload=payload)) as vm:
        print(vm.exec(["echo", "fine"]).stdout.decode().strip(), vm.pid, flush=True)
        time.sleep(600)
"""


CLEAN = """
import sys
from pathlib import Path
from vmdriver import clean, leftovers
print(bool(clean(Path(sys.argv[1]))), leftovers(Path(sys.argv[1])))
"""


def test_a_user_s_session_and_a_killed_harness(configure: Configure) -> None:
    with daemons.session() as daemon:
        state, config = daemon.folder / "state", daemon.within_reach(configure())
        # As the user, who may yet read where tare is installed.
        user = [f"--reuid={daemons.NOBODY}", f"--regid={daemons.NOBODY}", "--clear-groups"]
        reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
        as_user = ["setpriv", *user, *reads, "--"]
        with subprocess.Popen(
            [
                *(*as_user, sys.executable, "-c", USER),
                *(state, config.kernel, config.initrd, config.disk),
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, **daemon.environment},
        ) as harness:
            assert harness.stdout is not None
            said, pid = harness.stdout.readline().split()
            assert said == b"fine"
            pidfd = os.pidfd_open(int(pid))
            assert Path(f"/proc/{int(pid)}").stat().st_uid == daemons.NOBODY
            harness.kill()
            assert select.select([pidfd], [], [], 10)[0]
            os.close(pidfd)
        # Root believes no record of the user's; the user removes what is left.
        assert clean(state) == []
        assert left_alone(state) != []
        tidied = subprocess.run(
            [*as_user, sys.executable, "-c", CLEAN, state], stdout=subprocess.PIPE, check=True
        )
        assert tidied.stdout.split() == [b"True", b"[]"]


def test_at_last_a_daemon_that_dies(system: Daemon, through: Driver, config: VmConfig) -> None:
    with through.start(replace(config, name="stays")) as vm:
        system.kill()
        # Commands do not pass through libvirt.
        assert vm.exec(["echo", "here"]).stdout == b"here\n"
        with told("daemon killed"):
            through.start(replace(config, name="other"))
        pidfd = os.dup(vm.pidfd)
        with told("daemon killed under a VM"):
            vm.stop()
        assert select.select([pidfd], [], [], 0)[0]
        os.close(pidfd)
    assert leftovers(through.state) == []
