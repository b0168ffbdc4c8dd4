"""What one booted guest can do; all tests of this module share it."""

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.image import Image
from tests.framework.fault_table import told
from tests.integration.vmdriver.conftest import Configure
from vmdriver import CommandTimeoutError, Driver, GuestFile, Vm


@pytest.fixture(scope="module")
def vm(driver: Driver, configure: Configure) -> Iterator[Vm]:
    payload = ("sh", "-c", "echo m >&3; sleep 0.1; echo said; exec sleep 600")
    with driver.start(configure(name="shared", cpuset={0}, payload=payload)) as started:
        yield started


def test_boundaries_stand_in_their_order(vm: Vm) -> None:
    with vm.ports.changed:
        assert vm.ports.changed.wait_for(lambda: "output" in vm.stamps, 10)
    names = ["requested", "exec", "spawned", "vmm_ready", "kernel", "init", "main", "output"]
    stamps = [vm.stamps[name] for name in names]
    assert stamps == sorted(stamps)
    assert b"said" in vm.console.read_bytes()


def test_the_kernel_announces_its_entry_before_it_can_speak(vm: Vm) -> None:
    assert vm.console.read_bytes().startswith(b"\n")


def test_output_errors_and_status_are_apart(vm: Vm) -> None:
    done = vm.exec(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")


def test_a_signal_s_status_is_the_shell_s(vm: Vm) -> None:
    assert vm.exec(["sh", "-c", "kill -TERM $$"]).exit_code == 128 + 15


def test_arguments_environment_and_directory_arrive_whole(vm: Vm) -> None:
    odd = ["a b", "it's", "\n\t\\é$(true)`", "", "*"]
    done = vm.exec(
        ["sh", "-c", 'printf "%s|" "$@"; pwd; printf "%s" "$X"', "sh", *odd],
        env={"X": "é\n'"},
        cwd="/tmp",
    )
    assert done.stdout.decode() == "|".join(odd) + "|/tmp\né\n'"


def test_a_program_the_image_lacks(vm: Vm) -> None:
    done = vm.exec(["no-such-program"])
    assert done.exit_code == 127
    assert b"no-such-program: not found in the image" in done.stderr


def test_a_round_trip_takes_less_than_a_tenth_of_a_second_at_best(vm: Vm) -> None:
    took = []
    for _ in range(9):
        began = time.monotonic()
        assert vm.exec(["true"]).exit_code == 0
        took.append(time.monotonic() - began)
    assert min(took) < 0.1


def test_a_hundred_megabytes_arrive_intact(vm: Vm) -> None:
    part = vm.exec(["sh", "-c", "head -c 1000000 /dev/urandom | tee /dev/shm/part"]).stdout
    repeat = "for i in $(seq 100); do cat /dev/shm/part; done; rm /dev/shm/part"
    done = vm.exec(["sh", "-c", repeat], timeout_s=60)
    assert len(part) == 1_000_000
    assert done.stdout == part * 100


def test_standard_input_arrives_intact(vm: Vm) -> None:
    data = bytes(range(256)) * 4097 + b"end"
    done = vm.exec(["cat"], stdin=data)
    assert done.stdout == data


def test_output_can_be_opened_by_its_name(vm: Vm) -> None:
    done = vm.exec(["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr; echo more"])
    assert (done.stdout, done.stderr) == (b"out\nmore\n", b"err\n")


def test_what_a_command_leaves_running_does_not_hold_it_up(vm: Vm) -> None:
    began = time.monotonic()
    assert vm.exec(["sh", "-c", "echo here; sleep 30 &"]).stdout == b"here\n"
    assert time.monotonic() - began < 20


def test_files_go_in_and_out_whole_with_their_mode(vm: Vm) -> None:
    content = bytes(range(256)) * 300 + b"odd"
    vm.put("/root/a file's name", content, mode=0o4751)
    assert vm.get("/root/a file's name") == GuestFile(content, 0o4751)
    assert vm.exec(["sh", "-c", "ls -A /root | grep -c partial"]).stdout == b"0\n"
    vm.put("/root/a file's name", b"")
    assert vm.get("/root/a file's name") == GuestFile(b"", 0o644)


def test_a_file_that_cannot_be_had_is_named(vm: Vm) -> None:
    with told("guest's directory missing"):
        vm.put("/nowhere/file", b"x")
    with told("guest's file missing"):
        vm.get("/nowhere/file")


def test_the_guest_s_clock_is_known_and_set(vm: Vm) -> None:
    vm.run_script("date -u -s @1000000000")
    behind = vm.clock_offset()
    ahead_s = 1_000_000_000 - time.time()
    assert abs(behind.offset_ns / 1e9 - ahead_s) < 60
    left = vm.synchronize_clock()
    assert 0 < left.uncertainty_ns < 1e9
    assert abs(left.offset_ns) < 1e9


def test_without_standard_input_there_is_none(vm: Vm) -> None:
    assert vm.exec(["cat"], timeout_s=5).stdout == b""


def test_a_command_over_its_limit_is_killed_with_its_children(vm: Vm) -> None:
    began = time.monotonic()
    with pytest.raises(CommandTimeoutError, match="longer than 1 s"):
        vm.exec(["sh", "-c", "sleep 4321 & sleep 4321"], timeout_s=1)
    assert time.monotonic() - began < 3
    processes = vm.run_script("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").stdout
    assert b"4321" not in processes


def test_the_guest_sees_the_image_s_own_bytes(vm: Vm, image: Image) -> None:
    for path in ("/usr/bin/busybox", "/etc/os-release"):
        theirs = vm.exec(["md5sum", path]).stdout.split()[0].decode()
        ours = hashlib.md5((image.root / path.lstrip("/")).read_bytes()).hexdigest()
        assert theirs == ours


def test_writing_reaches_memory_and_not_the_image(vm: Vm, image: Image) -> None:
    before = hashlib.sha256(image.block.read_bytes()).digest()
    vm.exec(["sh", "-c", "echo changed > /etc/os-release"])
    assert vm.exec(["cat", "/etc/os-release"]).stdout == b"changed\n"
    assert hashlib.sha256(image.block.read_bytes()).digest() == before


def test_only_the_image_s_kernel_file_systems_are_mounted(vm: Vm) -> None:
    mounts = vm.exec(["cat", "/proc/mounts"]).stdout.decode()
    points = {line.split()[1]: line.split()[2] for line in mounts.splitlines()}
    assert points == {
        "/": "overlay",
        "/dev": "devtmpfs",
        "/dev/mqueue": "mqueue",
        "/dev/pts": "devpts",
        "/dev/shm": "tmpfs",
        "/proc": "proc",
        "/sys": "sysfs",
    }


def test_the_guest_has_what_programs_expect(vm: Vm) -> None:
    assert vm.exec(["cat", "/proc/sys/kernel/hostname"]).stdout == b"tare\n"
    links = vm.exec(["readlink", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"]).stdout
    assert links.decode().split() == ["/proc/self/fd", *(f"/proc/self/fd/{n}" for n in range(3))]
    assert vm.exec(["cat", "/dev/stdin"], stdin=b"fine").stdout == b"fine"
    ping = vm.run_script("ping -c 1 -w 2 127.0.0.1")
    assert ping.exit_code == 0, ping


def test_the_guest_reaps(vm: Vm) -> None:
    vm.exec(["sh", "-c", "(sleep 0.1 &) & exit 0"])
    time.sleep(0.5)
    states = vm.run_script("cat /proc/[0-9]*/stat").stdout.decode()
    # The reading command's own wrapper may stand there, ended, until the next command comes.
    assert sum(line.rpartition(")")[2].split()[0] == "Z" for line in states.splitlines()) <= 1


def test_usage_is_read(vm: Vm) -> None:
    before = vm.cpu_time_s()
    memory = vm.guest_memory()
    assert 128 << 20 < memory["MemTotal"] <= 256 << 20
    assert 0 < memory["MemAvailable"] < memory["MemTotal"]
    assert vm.cpu_time_s() > before


def test_qemu_s_memory_is_told_apart(vm: Vm) -> None:
    memory = vm.memory()
    used = vm.guest_memory()
    assert used["MemTotal"] - used["MemFree"] < memory.guest_ram_bytes <= 256 << 20
    assert memory.translation_bytes > 10 << 20
    assert 0 < memory.vmm_bytes < 64 << 20
    assert memory.rss_bytes > memory.guest_ram_bytes + memory.translation_bytes


def test_what_was_run_is_on_record(vm: Vm, image: Image) -> None:
    assert str(image.vmlinux) in vm.domain_xml
    assert str(image.vmlinux) in vm.argv
    assert "tcg" in vm.argv
    assert b"Linux version" in Path(vm.console).read_bytes()
