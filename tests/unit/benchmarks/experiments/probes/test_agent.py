"""The agent's document and command, as far as they need no sandbox."""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments import probes
from benchmarks.experiments.probes import agent
from tests.unit.benchmarks.experiments.probes import world

if TYPE_CHECKING:
    from pathlib import Path

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(max_codepoint=255)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(VALUES)
def test_the_document_is_json(value: object) -> None:
    assert json.loads(agent.to_json(value)) == value


def test_a_broken_reading_does_not_hide_the_others(tmp_path: Path) -> None:
    (tmp_path / "note").write_text("hello")
    found = agent.collect(
        [
            ("wrong", "file", 3.5),
            ("gone", "file", str(tmp_path / "gone")),
            ("note", "file", str(tmp_path / "note")),
            ("folder", "list", str(tmp_path)),
        ]
    )
    assert found["wrong"]["error"].startswith("TypeError")
    assert found["gone"] == {"errno": "ENOENT"}
    assert found["note"] == {"text": "hello", "null": False}
    assert found["folder"] == {"names": ["note"]}


def test_a_file_bound_to_dev_null_is_recognised() -> None:
    assert agent.read_file("/dev/null") == {"text": "", "null": True}


def test_only_the_asked_part_of_a_large_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 50_000)
    assert agent.read_file(str(tmp_path / "large"), 16)["text"] == "x" * 16


def test_opening_for_writing_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "setting").write_text("as it was")
    assert agent.try_open(str(tmp_path / "setting"), 1) == {"opened": True}
    assert (tmp_path / "setting").read_text() == "as it was"


def test_the_command_fits_into_one_argument() -> None:
    limit = 131072  # MAX_ARG_STRLEN of execve(2)
    assert max(map(len, probes.script(world.MARKERS))) < limit


def test_the_agent_imports_nothing_of_the_project() -> None:
    assert "from benchmarks" not in probes.script()[-1]


def test_the_host_is_never_opened_for_writing() -> None:
    assert not [key for key in probes.read_host().values if key.startswith("write ")]


@pytest.mark.parametrize(
    "printed", ["", "Traceback (most recent call last):", '{"format": 1, "val', '{"format":1}']
)
def test_what_is_no_document_is_refused(printed: str) -> None:
    with pytest.raises(probes.UnreadableAgentError):
        probes.parse(printed)


def test_noise_around_the_document_is_ignored() -> None:
    assert probes.parse(b'warning\n{"format":1,"values":{}}\nbye\n').values == {}


def test_an_agent_that_cannot_run_becomes_the_examinations_error() -> None:
    examined = probes.examine(lambda _: b"python3: not found")
    assert examined.sandbox is None
    assert examined.error == "the agent in the sandbox printed no document"


def test_marks_are_gone_afterwards() -> None:
    with probes.planted() as marks:
        assert {"process", "socket", "lock"} <= marks.keys()
    host = probes.read_host().values
    assert marks["process"] not in str(host["/proc"])
    assert marks["socket"] not in str(host["/proc/self/net/unix"])


TRIES = """
import signal
TRIES["die"] = lambda: os.kill(os.getpid(), signal.SIGSYS)
TRIES["leave"] = lambda: os._exit(0)
TRIES["break"] = lambda: int("no number")
TRIES["refused"] = lambda: -1
TRIES["alone"] = TRIES["pid"] = os.getpid
"""


def attempts(*order: str) -> list[tuple[str, object]]:
    """Let an agent of its own process try these ways, in this order."""
    tried = [(str(place), how) for place, how in enumerate(order)]
    source = f"{inspect.getsource(agent)}{TRIES}\nmain([], {tried!r})"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    return list(probes.parse(done.stdout).attempts.values())


def test_an_attempt_that_kills_its_process_does_not_take_the_others_along() -> None:
    refused, died, tried, left, after = attempts("refused", "die", "pid", "leave", "pid")
    assert refused == ("errno", 1)
    assert died == ("signal", signal.SIGSYS)
    assert left[0] == "error"
    assert tried[0] == after[0] == "value"


def test_a_success_that_changes_its_process_is_the_last_thing_it_does() -> None:
    first, alone, after = attempts("pid", "alone", "pid")
    assert first == alone
    assert after != alone


def test_an_attempt_that_breaks_says_why() -> None:
    broken, after = attempts("break", "refused")
    assert broken[0] == "error"
    assert str(broken[1]).startswith("ValueError: invalid literal")
    assert after == ("errno", 1)
