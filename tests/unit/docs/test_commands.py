"""Every command that README and docs name exists, with the options they give it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import cache

import click
import pytest

from benchmarks import sandboxes
from benchmarks.campaign import config
from runtime.cli.options import parse
from runtime.cli.table import VERBS
from tare.cli import cli
from tests.framework.documents import ROOT, Command, commands, is_placeholder, variants

COMMANDS = commands()


def of(*programs: str) -> pytest.MarkDecorator:
    chosen = sorted({str(one): one for one in COMMANDS if one.program in programs}.items())
    return pytest.mark.parametrize("told", [one for _, one in chosen], ids=[i for i, _ in chosen])


@of("tare")
def test_a_command_of_tare_takes_what_the_page_gives_it(told: Command) -> None:
    for words in variants(told.words):
        _parse(cli, click.Context(cli, info_name="tare"), words)


def _parse(command: click.Command, context: click.Context, words: list[str]) -> None:
    for option in [word.split("=")[0] for word in words if "/-" in word]:
        pytest.fail(f"write the alternatives of {option} with |")
    if isinstance(command, click.Group):
        options = [word for word in words if word.startswith("-")]
        if not words or options == words:
            command.make_parser(context).parse_args(list(words))
            return
        if is_placeholder(words[0]):
            return
        below = command.get_command(context, words[0])
        assert below is not None, f"{context.command_path} has no command {words[0]!r}"
        inner = click.Context(below, parent=context, info_name=words[0])
        _parse(below, inner, words[1:])
        return
    _parse_options(command, context, words)


def _parse_options(command: click.Command, context: click.Context, words: list[str]) -> None:
    # a page may name an option alone, without its value
    last = next((p for p in command.params if words and words[-1] in p.opts), None)
    if isinstance(last, click.Option) and not last.is_flag and not last.count:
        words = [*words, "VALUE"]
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    assert not rest, f"{context.command_path} takes no {' '.join(rest)!r}"
    for param in command.params:
        value = given.get(param.name or "")
        values = value if isinstance(value, (list, tuple)) else [value]
        for one in values:
            if isinstance(one, str) and not is_placeholder(one):
                _known(command, param, one)


def _known(command: click.Command, param: click.Parameter, value: str) -> None:
    if isinstance(param.type, (click.Choice, click.types.IntParamType, click.types.FloatParamType)):
        param.type.convert(value, param, None)
    if command.name == "run" and isinstance(param, click.Argument):
        assert value in config.presets() or value.endswith(".toml"), f"no preset {value!r}"
    if param.name in {"sandboxes", "sandbox"} and "/" not in value:
        for name in value.split(","):
            sandboxes.find(name)


@of("tare-oci")
def test_a_command_of_tare_oci_takes_what_the_page_gives_it(told: Command) -> None:
    for words in variants(told.words):
        if "..." in told.words:
            assert words[0] in VERBS
        elif words and words[0] in VERBS:
            parse(words)
        else:
            assert not words or words[0].startswith("-") or is_placeholder(words[0]), words


@of("make")
def test_a_target_of_make_exists(told: Command) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for word in told.words:
        assert "=" in word or word in targets, f"the Makefile has no target {word!r}"


@cache
def _options_of_pytest(folder: str) -> str:
    words = [sys.executable, "-m", "pytest", folder, "--help"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@of("pytest")
def test_a_call_of_pytest_names_what_there_is(told: Command) -> None:
    paths = [word for word in told.words if "/" in word or word in {"tests", "benchmarks"}]
    paths = [word.split("::")[0] for word in paths if not word.startswith("-")]
    for path in paths:
        assert (ROOT / path).exists(), f"no {path} here"
    options = [word.split("=")[0] for word in told.words if word.startswith("--")]
    folder = paths[0] if paths else "tests"
    for option in options:
        assert re.search(rf"{re.escape(option)}\b", _options_of_pytest(folder)), option


@of("python")
def test_a_module_that_is_run_exists(told: Command) -> None:
    if told.words and told.words[0] == "-m":
        assert importlib.util.find_spec(told.words[1]), told.words[1]


@of("scripts")
def test_a_script_exists(told: Command) -> None:
    assert (ROOT / told.words[0]).exists(), told.words[0]


def test_the_benchmarks_need_no_plugin_that_only_the_checks_have() -> None:
    words = [sys.executable, "-m", "pytest", "benchmarks", "--collect-only", "-q"]
    without = ["-p", "no:timeout", "-p", "no:xdist", "-p", "no:hypothesispytest"]
    done = subprocess.run([*words, *without], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests collected" in done.stdout


def test_the_pages_name_many_commands() -> None:
    assert len(COMMANDS) > 100
