import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmdriver.errors import VmGoneError
from vmdriver.qemu.console import Console
from vmdriver.qemu.ports import Ports

PORTS = ("serial", "stamp", "control")
CONNECT = """
import socket, sys
ports = {}
for port in ("serial", "stamp", "control"):
    ports[port] = socket.socket(socket.AF_UNIX)
    ports[port].connect(f"{sys.argv[1]}/{port}")
"""


class Fixture:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.console = Console(folder / "console.log", limit_bytes=64)
        self.received: list[tuple[str, bytes]] = []
        self.ports = Ports(
            {port: folder / port for port in PORTS},
            self.console,
            lambda port, data, _now: self.received.append((port, data)),
        )

    def qemu(self, program: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-I", "-c", CONNECT + program, self.folder])

    def wait_for(self, boundary: str) -> None:
        with self.ports.changed:
            assert self.ports.changed.wait_for(lambda: boundary in self.ports.stamps, 60)


@pytest.fixture
def vm(tmp_path: Path) -> Iterator[Fixture]:
    fixture = Fixture(tmp_path)
    yield fixture
    fixture.ports.close()


def test_boundaries_are_stamped_in_their_order(vm: Fixture) -> None:
    before = time.monotonic_ns()
    process = vm.qemu(
        "import time\n"
        "ports['serial'].send(b'Linux version\\r\\n'); time.sleep(0.02)\n"
        "ports['serial'].send(b'tare: in'); ports['serial'].send(b'it\\r\\n'); time.sleep(0.02)\n"
        "ports['stamp'].send(b'm'); ports['control'].send(b'ready\\n')\n"
    )
    vm.wait_for("stopped")
    order = ["spawned", "connected", "kernel", "init", "main", "stopped"]
    stamps = [vm.ports.stamps[name] for name in order]
    assert stamps == sorted(stamps)
    assert before < stamps[0]
    assert stamps[-1] <= time.monotonic_ns()
    assert vm.ports.process is not None
    assert vm.ports.process.pid == process.pid
    assert vm.received == [("control", b"ready\n")]


def test_output_before_the_payload_s_first_byte_is_not_taken_for_it(vm: Fixture) -> None:
    vm.qemu("ports['stamp'].send(b'damned\\n')")
    vm.wait_for("stopped")
    assert "main" not in vm.ports.stamps
    assert vm.console.last_line() == "damned"


def test_what_firmware_says_on_console_and_ports_is_neither_kernel_nor_guest(vm: Fixture) -> None:
    vm.ports.firmware_speaks = True
    vm.qemu(
        "import time\n"
        "ports['serial'].send(b'\\x1b[2JBdsDxe: loading')\n"
        "ports['stamp'].send(b'mess'); ports['control'].send(b'\\x1b[2Jready\\n')\n"
        "time.sleep(0.05); ports['serial'].send(b'\\r\\nEFI stub: Loaded'); time.sleep(0.05)\n"
        "ports['serial'].send(b'\\r\\ntare: init\\r\\n'); time.sleep(0.05)\n"
        "ports['stamp'].send(b'm'); ports['control'].send(b'ready\\n'); time.sleep(0.05)\n"
    )
    vm.wait_for("stopped")
    stamps = [vm.ports.stamps[name] for name in ("connected", "kernel", "init", "main")]
    assert stamps == sorted(stamps)
    assert stamps[1] - stamps[0] > 25_000_000
    assert "output" not in vm.ports.stamps
    assert vm.received == [("control", b"ready\n")]


def test_a_first_byte_alone_is_no_output(vm: Fixture) -> None:
    vm.qemu("ports['stamp'].send(b'm'); ports['stamp'].send(b'\\n')")
    vm.wait_for("stopped")
    assert "main" in vm.ports.stamps
    assert "output" not in vm.ports.stamps


def test_how_qemu_ended_is_known(vm: Fixture) -> None:
    process = vm.qemu("import time; time.sleep(60)")
    vm.wait_for("connected")
    process.kill()
    vm.wait_for("stopped")
    assert vm.ports.ended == "signal SIGKILL"


def test_bytes_go_to_the_guest_and_an_ended_one_is_named(vm: Fixture) -> None:
    vm.qemu("ports['control'].send(ports['control'].recv(10))")
    vm.wait_for("connected")
    vm.ports.send("control", b"hello", 5.0)
    vm.wait_for("stopped")
    assert vm.received == [("control", b"hello")]
    with pytest.raises(VmGoneError):
        vm.ports.send("control", b"hello", 5.0)


def test_a_guest_that_does_not_read_is_given_up(vm: Fixture) -> None:
    process = vm.qemu("import time; time.sleep(60)")
    vm.wait_for("connected")
    with pytest.raises(TimeoutError):
        vm.ports.send("control", b"x" * 10_000_000, 0.1)
    process.kill()
    vm.wait_for("stopped")


def test_closing_leaves_no_socket_thread_or_descriptor(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    fixture = Fixture(tmp_path)
    fixture.ports.close()
    fixture.ports.close()
    assert [path.name for path in tmp_path.iterdir()] == ["console.log"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_console_is_kept_up_to_its_limit(tmp_path: Path) -> None:
    console = Console(tmp_path / "log", limit_bytes=10)
    console.feed(b"12345678")
    console.feed(b"90abcdef\r\nlast\r\n")
    console.close()
    assert (tmp_path / "log").read_bytes() == b"1234567890"
    assert console.last_line() == "last"
    console.feed(b"\0" * 9000 + b"x" * 200 + b"\xff\x1b\r\n \0\n")
    assert console.last_line() == "x" * 160


def test_the_console_finds_what_went_wrong(tmp_path: Path) -> None:
    with contextlib.closing(Console(tmp_path / "log", limit_bytes=1000)) as console:
        console.feed(b"[ 1.0] Kernel panic - not syncing: No working init")
        assert console.panic is None
        console.feed(b" found.\r\ntare: fail: no disk\r\n")
        assert console.panic == "No working init found."
        assert console.failure == "no disk"


def test_the_console_counts_whom_the_guest_s_kernel_kills(tmp_path: Path) -> None:
    line = b"[   3.1] Out of memory: Killed process 77 (a b) c) total-vm:9kB, anon-rss:8kB\r\n"
    with contextlib.closing(Console(tmp_path / "log", limit_bytes=0)) as console:
        for byte in line + b"Memory cgroup out of memory: Killed process 8 (own) total-vm:1kB\n":
            console.feed(bytes([byte]))
        assert console.killed == ["a b) c"]
        console.feed(line + line)
        assert console.killed == ["a b) c"] * 3
