"""The grammar of the command line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.cli.options import UsageError, parse, take
from runtime.cli.table import REPEATED, VERBS

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


def names(verb: str, *, valued: bool) -> list[str]:
    return [name.rstrip("=") for name in VERBS[verb] if name.endswith("=") is valued]


@pytest.mark.parametrize(
    "line",
    [
        "create --bundle /b --pid-file /p --preserve-fds 3 --console-socket /c c1",
        "create --bundle=/b --pid-file=/p --preserve-fds=3 --console-socket=/c c1",
        "create -b /b -pid-file /p -preserve-fds=3 --console-socket /c c1",
        "create -b/b --pid-file /x --pid-file /p --preserve-fds 3 --console-socket /c -- c1",
    ],
)
def test_one_meaning_in_many_spellings(line: str) -> None:
    command = parse(line.split())
    assert (command.verb, command.operands) == ("create", ["c1"])
    assert command.options.single == {
        "bundle": "/b", "pid-file": "/p", "preserve-fds": "3", "console-socket": "/c",
    }  # fmt: skip


def test_what_managers_write() -> None:
    command = parse(
        [
            "--root",
            "/r",
            "--log",
            "/l",
            "--log-format=json",
            "exec",
            "--process",
            "/p",
            "--detach",
            "--pid-file",
            "/f",
            "c1",
        ]
    )
    assert (command.common.get("root"), command.common.get("log-format")) == ("/r", "json")
    assert command.options.has("detach")
    assert parse(["update", "--resources=-", "c1"]).options.get("resources") == "-"
    assert parse(["update", "--memory-swap", "-1", "c1"]).options.number("memory-swap") == -1
    assert parse(["restore", "-no-subreaper", "c1"]).options.has("no-subreaper")
    assert parse(["kill", "-a", "c1", "9"]).operands == ["c1", "9"]


def test_nothing_after_the_first_operand_is_an_option() -> None:
    command = parse(["exec", "-t", "c1", "sh", "-c", "exit 3", "--tty=false"])
    assert command.operands == ["c1", "sh", "-c", "exit 3", "--tty=false"]
    assert command.options.has("tty")
    assert parse(["list"]).operands == []


def test_letters_stand_together() -> None:
    command = parse(["exec", "-dtu", "1:2", "-eA=1,2", "-e", "B=3", "c1", "true"])
    assert command.options.has("detach")
    assert command.options.has("tty")
    assert command.options.get("user") == "1:2"
    assert command.options.all("env") == ["A=1,2", "B=3"]


@pytest.mark.parametrize(("value", "on"), [("true", True), ("1", True), ("false", False)])
def test_a_switch_takes_a_word_only_behind_a_sign(value: str, on: bool) -> None:  # noqa: FBT001
    assert parse(["exec", f"--tty={value}", "c1", "a"]).options.has("tty") is on
    assert parse(["exec", "--tty", "c1", value]).operands == ["c1", value]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bogus", "no verb 'bogus'"),
        ("--bogus list", "no option '--bogus'"),
        ("create --bogus c1", "create: there is no option '--bogus'; see create --help"),
        ("create --pid c1", "no option '--pid'"),
        ("kill -x c1", "no option '-x'"),
        ("create --bundle", "--bundle needs a value"),
        ("exec --tty=maybe c1 a", "neither true nor false"),
        ("create", "create takes the name of one container"),
        ("create a b", "create takes the name of one container"),
        ("start", "start takes"),
        ("state", "state takes"),
        ("delete", "delete takes"),
        ("kill", "kill takes"),
        ("kill a b c", "kill takes"),
        ("list a", "list takes no operand"),
        ("exec", "exec takes"),
    ],
)
def test_a_wrong_line_is_named(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "x", "1.5", "0x10", "--1", "\u0663"])
def test_a_number_is_a_whole_number(text: str) -> None:
    options, _ = take([f"--preserve-fds={text}"], VERBS["create"])
    with pytest.raises(UsageError, match="not a whole number"):
        options.number("preserve-fds")


@pytest.mark.parametrize("text", ["-1", "201"])
def test_a_count_has_its_limits(text: str) -> None:
    options, _ = take([f"--preserve-fds={text}"], VERBS["create"])
    with pytest.raises(UsageError, match="outside 0 to 200"):
        options.count("preserve-fds", 200)


@given(st.data(), st.sampled_from(sorted(VERBS)))
def test_what_is_given_is_what_is_found(data: st.DataObject, verb: str) -> None:
    valued, switches = names(verb, valued=True), names(verb, valued=False)
    given_values = data.draw(
        st.lists(st.tuples(st.sampled_from(valued), words), max_size=4) if valued else st.just([])
    )
    given_switches = data.draw(st.lists(st.sampled_from(switches), max_size=3))
    operands = data.draw(st.lists(words, max_size=3))
    line: list[str] = []
    for name, value in given_values:
        line += [f"--{name}={value}"] if data.draw(st.booleans()) else [f"--{name}", value]
    line += [f"--{name}" for name in given_switches]
    options, rest = take([*line, "--", *operands], VERBS[verb])
    assert rest == operands
    singles = {name: value for name, value in given_values if name not in REPEATED}
    assert options.single == singles | dict.fromkeys(given_switches, "true")
    for name in REPEATED:
        assert options.all(name) == [value for key, value in given_values if key == name]


@given(st.lists(words, max_size=6))
def test_no_line_is_met_by_anything_but_one_sentence(line: list[str]) -> None:
    try:
        command = parse(line)
    except UsageError:
        return
    assert command.verb in ("", *VERBS)
