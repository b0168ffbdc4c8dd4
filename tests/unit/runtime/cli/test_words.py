"""Signals, durations, amounts of memory, and users, as words of the command line."""

from __future__ import annotations

import signal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli import events, show, signals, update
from runtime.cli.options import UsageError, parse
from runtime.cli.report import timestamp


@given(st.sampled_from([each for each in signal.Signals if not each.name.startswith("SIGRT")]))
def test_a_signal_has_many_names(number: signal.Signals) -> None:
    short = number.name.removeprefix("SIG")
    for word in (number.name, short, short.lower(), number.name.lower(), str(int(number))):
        assert signals.number_of(word) == number


def test_real_time_signals_are_counted_from_both_ends() -> None:
    first, last = int(signal.SIGRTMIN), int(signal.SIGRTMAX)
    assert signals.number_of("SIGRTMIN") == first
    assert signals.number_of("rtmin+3") == first + 3
    assert signals.number_of("RTMAX-2") == last - 2
    assert signals.number_of("0") == 0


@pytest.mark.parametrize(
    "word",
    ["", "65", "1000000000000", "SIGNOTHING", "RTMIN+99", "RTMIN-1", "RTMAX+1", "RTMIN+", "-9",
     "\u0669", "_DFL", "SIG_DFL", "KILL "],
)  # fmt: skip
def test_what_is_no_signal(word: str) -> None:
    with pytest.raises(UsageError, match="is no signal"):
        signals.number_of(word)


@given(st.text(max_size=8))
def test_any_word_is_a_signal_or_refused(word: str) -> None:
    try:
        number = signals.number_of(word)
    except UsageError:
        return
    assert number == 0 or number in signal.valid_signals()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5.0), ("500ms", 0.5), ("1m30s", 90.0), ("1.5h", 5400.0), ("2m", 120.0)],
)
def test_a_duration_is_as_go_writes_it(text: str, seconds: float) -> None:
    assert events.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "0s", "-5s", "5 s", "5sx", "1e3s", "\u0665s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        events.seconds(text)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("-1", -1), ("200M", 200 << 20), ("200m", 200 << 20), ("1Gi", 1 << 30),
     ("3kB", 3 << 10), ("4GiB", 4 << 30), ("7b", 7)],
)  # fmt: skip
def test_an_amount_of_memory(text: str, amount: int) -> None:
    assert update.amount("memory", text) == amount


@pytest.mark.parametrize("text", ["", "M", "-2", "1.5G", "1 M", "9999999999T", "\u0661M", "1Mx"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(UsageError, match="no amount of memory"):
        update.amount("memory", text)


def test_the_time_can_be_read_by_go() -> None:
    text = timestamp()
    assert len(text) == len("2026-11-26T13:06:04.276406864Z")
    assert text[10] == "T"
    assert text.endswith("Z")


def test_a_list_in_json_has_no_blanks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show.Entry, "all", lambda _root: [None])
    monkeypatch.setattr(show, "state", lambda _entry: {"id": "a", "pid": 0})
    show.print_list("/nowhere", parse(["list", "--format", "json"]).options)
    assert capsys.readouterr().out == '[{"id":"a","pid":0}]\n'


def test_an_event_has_no_blanks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = SimpleNamespace(statistics=lambda _paths: None)
    monkeypatch.setattr(events, "usage", counted)
    monkeypatch.setattr(events, "statistics", lambda _counted: {"pids": {"current": 1}})
    entry: Any = SimpleNamespace(alive=True, record=SimpleNamespace(id="a", cgroups=["/g"]))
    events.print_events(entry, parse(["events", "--stats", "a"]).options)
    assert capsys.readouterr().out == '{"type":"stats","id":"a","data":{"pids":{"current":1}}}\n'
