"""A driver for the session and the configuration that works, for tests to damage."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from benchmarks.image import Image
from vmdriver import Deadlines, Driver, VmConfig

PAYLOAD = ("sh", "-c", "echo m >&3; exec sleep 600")


class Configure(Protocol):
    def __call__(self, **changes: object) -> VmConfig: ...


@pytest.fixture(scope="package")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with Driver(tmp_path_factory.mktemp("vm")) as opened:
        yield opened


@pytest.fixture(scope="package")
def configure(image: Image) -> Configure:
    """A VM of the image; a test that reaches a deadline gives a shorter one."""
    whole = VmConfig(
        name="test",
        kernel=image.vmlinux,
        initrd=image.initramfs,
        disk=image.block,
        payload=PAYLOAD,
        deadlines=Deadlines(init_s=120, agent_s=5),
    )

    def change(**changes: object) -> VmConfig:
        return replace(whole, **changes)  # type: ignore[arg-type]

    return change


def when(driver: Driver, name: str, boundary: str, act: Callable[[int], None]) -> threading.Thread:
    """Acts on QEMU once the VM being started has passed a boundary."""

    def watch() -> None:
        until = time.monotonic() + 20
        while time.monotonic() < until:
            vm = driver._vms.get(name)
            if vm is not None and boundary in vm.stamps:
                act(vm.pid)
                return
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[Path, int], Path]:
    """Makes a copy of the first part of a file."""

    def make(path: Path, size: int) -> Path:
        copy = tmp_path / f"cut-{path.name}"
        with path.open("rb") as whole:
            copy.write_bytes(whole.read(size))
        return copy

    return make
