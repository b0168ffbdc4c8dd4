"""Open each sandbox once for all suites, and describe it in the results."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks import image
from benchmarks.campaign import config
from benchmarks.errors import UnsuitableHostError
from benchmarks.sandboxes import simulated
from benchmarks.sandboxes.base import Sandbox
from benchmarks.session import measure, overhead

SANDBOXES = ("native", "container", "vm")
_STATE = Path("/run/tare")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sandbox" in metafunc.fixturenames:
        names = metafunc.config.getoption("--sandbox") or SANDBOXES
        metafunc.parametrize("sandbox", names, indirect=True)


@pytest.fixture(scope="session")
def open_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Sandbox]]:
    """Open a sandbox on first use, under the lock that keeps campaigns apart."""
    with ExitStack() as stack:
        stack.enter_context(measure.alone(_STATE, "pytest benchmarks"))
        opened: dict[str, Sandbox] = {}
        logs = tmp_path_factory.mktemp("logs")

        def get(name: str) -> Sandbox:
            if name not in opened:
                chosen = config.load("quick", sandboxes=(name,))
                built = None if simulated([name]) else image.build(progress=print)
                setting = measure.setting_of(chosen, logs, _STATE, built)
                opened.update(measure.open_all(stack, chosen, setting)[0])
            return opened[name]

        yield get


@pytest.fixture
def sandbox(
    request: pytest.FixtureRequest,
    open_once: Callable[[str], Sandbox],
    benchmark: BenchmarkFixture,
) -> Sandbox:
    """The sandbox of this benchmark, described in ``extra_info``."""
    try:
        box = open_once(request.param)
    except UnsuitableHostError as error:
        pytest.skip(str(error))
    summary = None if box.info.kind == "fake" else overhead.image_summary(image.store.latest())
    benchmark.extra_info.update(
        sandbox=box.info.name,
        profile=box.info.profile,
        accelerator=box.info.accelerator,
        admissible_cpu=box.info.admissible_cpu,
        image=summary["digest"] if summary else None,
        host=overhead.host_fingerprint()["identity"],
    )
    return box
