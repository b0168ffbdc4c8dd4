"""Groups of our own on the real kernel, and processes in them."""

from __future__ import annotations

import secrets
import subprocess
import time
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import Resources, cgroups
from runtime.cgroups import files, layout, v2
from tests.integration.runtime.conftest import traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runtime.cgroups import Group, Manager

MIB = 1 << 20
HOLD = "import time; kept = bytearray(20 << 20); print(flush=True); time.sleep(60)"
needs_v1 = pytest.mark.skipif(not layout.current().v1, reason="this host's controllers are on v2")


@pytest.fixture
def name() -> Iterator[str]:
    """Of an engine; nothing of that name may be left."""
    made = f"tare-{secrets.token_hex(6)}"
    yield made
    assert traces(made) == []


@pytest.fixture
def manager(name: str) -> Iterator[Manager]:
    made = cgroups.manager(name, layout.current())
    assert made is not None
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def group(manager: Manager) -> Iterator[Group]:
    made = manager.create("one")
    try:
        yield made
    finally:
        made.kill()
        made.remove()


@pytest.fixture
def unified(name: str) -> Iterator[v2.UnifiedGroup]:
    """A group in the v2 hierarchy, which has no controllers here."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    point = next(line.split()[4] for line in mounts if " - cgroup2 " in line)
    own = Path("/proc/self/cgroup").read_text().partition("0::")[2].splitlines()[0]
    path = f"{point}{own}".rstrip("/") + f"/{name}"
    files.make(path)
    made = v2.UnifiedGroup(path, fresh=True)
    try:
        yield made
    finally:
        made.kill()
        made.remove()


@pytest.fixture(params=["v1", "v2"])
def either(request: pytest.FixtureRequest) -> Group:
    made: Group = request.getfixturevalue("group" if request.param == "v1" else "unified")
    return made


@contextmanager
def member(group: Group, *args: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that is in the group before it executes the program."""
    process = subprocess.Popen(
        ["sh", "-c", 'read _ || exit 99; exec "$@" </dev/null', "sh", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )
    assert process.stdin is not None
    try:
        group.attach(process.pid)
        process.stdin.write("\n")
        process.stdin.close()
        process.stdin = None
        yield process
    finally:
        group.kill()
        process.communicate()


def reader(group: Group) -> Callable[..., list[str]]:
    return lambda controller, *names: [
        files.read(f"{group.paths[controller]}/{name}") for name in names
    ]


def limit(group: Group, **values: Any) -> None:
    group.limit(asdict(Resources(**values)))


def wait_until(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
