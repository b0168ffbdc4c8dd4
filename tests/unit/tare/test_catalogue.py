"""``tare list`` and ``tare show``: everything has a name, a sentence and a command that works."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import pytest

from tare import cli, details
from tare.catalogue import KINDS, named

if TYPE_CHECKING:
    from collections.abc import Callable

type Tare = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tare(capsys: pytest.CaptureFixture[str]) -> Tare:
    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            cli.main(list(args))
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.mark.parametrize("what", KINDS)
def test_everything_that_is_listed_is_shown_with_an_example(what: str) -> None:
    found = named(what)
    assert found
    for name, title in found.items():
        said = details.of(KINDS[what], name)
        assert title
        assert said.title
        assert said.facts
        assert said.example.startswith("tare ")


@pytest.mark.parametrize("what", KINDS)
def test_a_list_is_there_for_programs(tare: Tare, what: str) -> None:
    code, out, _ = tare("list", what, "--json")
    assert code == 0
    assert json.loads(out) == {what: named(what)}


@pytest.mark.parametrize("what", ["presets", "experiments", "workloads", "sandboxes"])
def test_the_examples_are_command_lines_that_plan(tare: Tare, what: str) -> None:
    for name in list(named(what))[:4]:
        words = shlex.split(details.of(KINDS[what], name).example)
        assert words.pop(0) == "tare"
        assert tare(*words, "--dry-run")[0] == 0


def test_one_thing_is_shown_for_people_and_for_programs(tare: Tare) -> None:
    code, out, _ = tare("show", "workload", "xz")
    assert code == 0
    assert "xz -6, one thread" in out
    assert "/usr/bin/xz" in out
    assert "example: tare run quick -w xz" in out
    code, out, _ = tare("show", "workload", "xz", "--json")
    assert json.loads(out)["example"] == "tare run quick -w xz"


def test_a_probe_of_two_tables_is_explained_for_both(tare: Tare) -> None:
    _, out, _ = tare("show", "probe", "meminfo")
    assert "leaks: Reads /proc/meminfo" in out
    assert "channels: AnonPages" in out


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("list", "prests"), "did you mean 'presets'?"),
        (("show", "prest", "quick"), "did you mean 'preset'?"),
        (("show", "preset", "quik"), "did you mean 'quick'?"),
        (("show", "sandbox", "podmn"), "did you mean 'podman'?"),
        (("show", "sandbox", "Container"), "did you mean 'container'?"),
        (("show", "probe", "nosuch"), "`tare list probes` shows those there are"),
        (("leaks", "fake", "--explain", "nosuch"), "`tare list probes` shows those there are"),
        (("show", "metric", "throughput"), "did you mean 'throughput_per_s'?"),
        (("run", "quick", "-s", "podmn"), "did you mean 'podman'?"),
        (("run", "quick", "-w", "leeks"), "did you mean 'leaks'?"),
        (("run", "quick", "-w", "zzz"), "`tare list workloads` shows those there are"),
        (("run", "xz"), "this is a workload; use -w: `tare run quick -w xz` measures it"),
        (("shaw",), "did you mean 'show'?"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_what_helps(
    tare: Tare, args: tuple[str, ...], sentence: str
) -> None:
    code, _, err = tare(*args)
    assert code == 2
    assert sentence in err
