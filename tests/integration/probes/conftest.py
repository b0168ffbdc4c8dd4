"""Examined sandboxes: a container of any specification, and the default one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import runtime
from benchmarks import probes
from runtime import profiles

if TYPE_CHECKING:
    from benchmarks.image import Image

type Examine = Callable[[runtime.Spec], probes.Examination]


@pytest.fixture(scope="package")
def engine() -> Iterator[runtime.Engine]:
    with tempfile.TemporaryDirectory() as folder, runtime.Engine(state=Path(folder)) as made:
        yield made


@pytest.fixture(scope="package")
def examine(engine: runtime.Engine) -> Examine:
    def run(spec: runtime.Spec) -> probes.Examination:
        def inside(argv: list[str]) -> bytes:
            with engine.run(spec) as container, tempfile.TemporaryFile() as output:
                with Path("/dev/null").open("r+b", buffering=0) as null:
                    streams = (null.fileno(), output.fileno(), null.fileno())
                    process = container.exec(argv, stdio=streams)
                    assert process.wait(30) == 0
                container.kill()
                output.seek(0)
                return output.read()

        return probes.examine(inside)

    return run


@pytest.fixture(scope="package")
def default(image: Image) -> runtime.Spec:
    return profiles.default(rootfs=image.root, args=["/bin/busybox", "sleep", "1000"])


@pytest.fixture(scope="package")
def hardened(examine: Examine, default: runtime.Spec) -> probes.Examination:
    return examine(default)
