"""Examined sandboxes: a container of any specification, and the default one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

import runtime
from benchmarks.experiments import probes, sweep
from benchmarks.sandboxes.capture import Pipes
from runtime.spec import profiles

if TYPE_CHECKING:
    from benchmarks.image import Image

type Inside = Callable[[runtime.Spec], AbstractContextManager[sweep.Run]]


class Examine(Protocol):
    """Examines a container; a start and an exec may be given what a careless runtime would."""

    def __call__(
        self,
        spec: runtime.Spec,
        *,
        descriptor: int | None = None,
        attach: bool = False,
    ) -> probes.Examination: ...


@pytest.fixture(scope="package")
def engine() -> Iterator[runtime.Engine]:
    with tempfile.TemporaryDirectory() as folder, runtime.Engine(state=Path(folder)) as made:
        yield made


@pytest.fixture(scope="package")
def inside(engine: runtime.Engine) -> Inside:
    """Start a container and give what runs a command with a standard input in it."""

    @contextmanager
    def start(spec: runtime.Spec) -> Iterator[sweep.Run]:
        with engine.run(spec) as container:

            def run(argv: list[str], stdin: bytes) -> bytes:
                with Pipes(stdin) as pipes, container.exec(argv, stdio=pipes.stdio) as process:
                    out, _ = pipes.collect(60, "the agent")
                    assert process.wait(10) == 0
                return out

            yield run
            container.kill()

    return start


@pytest.fixture(scope="package")
def examine(engine: runtime.Engine) -> Examine:
    def run(
        spec: runtime.Spec,
        *,
        descriptor: int | None = None,
        attach: bool = False,
    ) -> probes.Examination:
        def inside(argv: list[str]) -> bytes:
            with (
                engine.run(spec, attach=attach) as container,
                tempfile.TemporaryFile() as output,
            ):
                with Path("/dev/null").open("r+b", buffering=0) as null:
                    streams = (null.fileno(), output.fileno(), null.fileno())
                    leaked = None if descriptor is None else {7: descriptor}
                    process = container.exec(argv, stdio=streams, extra_fds=leaked)
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
