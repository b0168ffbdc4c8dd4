"""Help, man page and completion: every command has examples that are command lines of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner

from tare import cli
from tare.errors import ExitCode
from tare.examples import EXAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command there is."""
    found = [path]
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = (*path, name)
        found += commands(command, inner) if isinstance(command, click.Group) else [inner]
    return found


COMMANDS = commands(cli.cli)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_examples_in_eighty_columns(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli.cli, [*words, "--help"], prog_name="tare", terminal_width=80)
    assert done.exit_code == 0
    assert "  Examples:\n    tare " in done.output
    behind = done.output.partition("Examples:\n")[2].splitlines()
    assert [line for line in behind if line.startswith("    tare ")]
    assert max(map(len, behind)) <= 80


def test_no_example_is_of_a_command_that_there_is_not() -> None:
    assert set(EXAMPLES) == {" ".join(words) for words in COMMANDS}


LINES = [(path, line) for path, shown in EXAMPLES.items() for line, _ in shown if path]


@pytest.mark.parametrize(("path", "line"), LINES, ids=[line for _, line in LINES])
def test_every_example_is_a_command_line_of_its_command(path: str, line: str) -> None:
    parts = re.split(r"[|>]", line)
    words = shlex.split(next(part for part in parts if part.strip().startswith("tare")))
    assert words[: len(path.split()) + 1] == ["tare", *path.split()]
    command: click.Command = cli.cli
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        inner = command.get_command(click.Context(command), rest[0])
        assert inner is not None
        command, rest = inner, rest[1:]
    context = click.Context(command)
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    given = [word.partition("=")[0] for word in rest if word.startswith("-")]
    assert set(given) <= known
    assert command.make_parser(context) is not None


def test_the_man_page_has_every_command_and_exit_code_and_is_well_formed() -> None:
    done = CliRunner().invoke(cli.cli, ["man"], prog_name="tare")
    assert done.exit_code == 0
    page = done.output
    for words in COMMANDS[1:]:
        assert f'.SS "tare {" ".join(words)}' in page
    for code in ExitCode:
        assert rf"\fB{code.value}\fR" in page
    if shutil.which("groff"):
        shown = subprocess.run(
            ["groff", "-k", "-man", "-Tascii", "-ww", "-z"],
            input=page,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert shown.stderr == ""


def completed(shell_line: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a shell is told of a line that ends where the cursor stands."""
    words = shell_line.split(" ")
    monkeypatch.setenv("COMP_WORDS", shell_line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    done = CliRunner().invoke(
        cli.cli, [], prog_name="tare", env={"_TARE_COMPLETE": "bash_complete"}
    )
    assert done.exit_code == 0
    return done.output.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tare ru", "plain,run"),
        ("tare run qu", "plain,quick"),
        ("tare run my", "file,my"),
        ("tare run quick -s podm", "plain,podman"),
        ("tare run quick -w xz", "plain,xz"),
        ("tare run quick -w dens", "plain,density"),
        ("tare leaks nat", "plain,native"),
        ("tare ab contai", "plain,container"),
        ("tare list cl", "plain,claims"),
        ("tare show preset qu", "plain,quick"),
        ("tare report ru", "plain,runs/mine"),
        ("tare report runs/", "plain,runs/mine"),
        ("tare compare runs/mine her", "plain,here"),
        ("tare run --resume runs/m", "plain,runs/mine"),
    ],
)
def test_a_shell_completes_names_and_run_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, expected: str
) -> None:
    for name in ("runs/mine", "here", "runs/none"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/mine", "here"):
        (tmp_path / name / "run.json").touch()
    monkeypatch.chdir(tmp_path)
    found = completed(line, monkeypatch)
    assert expected in found
    assert "plain,runs/none" not in found


@pytest.mark.parametrize(
    ("line", "word", "expected"),
    [
        ("tare run quick -s container : no-p", 6, ["no-pid"]),
        ("tare run quick -s oci : crun : n", 8, ["no-cgroup"]),
        ("tare run quick -s vm : 9", 6, ["9p"]),
        ("tare leaks floor : no-cgroup nat", 5, ["native"]),
        ("tare ru", 1, ["run"]),
    ],
)
def test_bash_completes_names_with_colons(line: str, word: int, expected: list[str]) -> None:
    environment = {"_TARE_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    done = subprocess.run(
        [sys.executable, "-c", "from tare.cli import main; main()"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [f"plain,{one}" for one in expected]
