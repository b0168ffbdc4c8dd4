"""A campaign of one's own: what it must have, where its files lie, and which file is blamed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.campaign import config
from benchmarks.errors import CampaignError
from tare import cli

BUNDLED = Path(config.__file__).parents[1] / "workloads"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A campaign that names a workload's file beside it."""
    (tmp_path / "own").mkdir()
    text = (BUNDLED / "xz.toml").read_text().replace('name = "xz"', 'name = "mine"')
    (tmp_path / "own" / "mine.toml").write_text(text)
    (tmp_path / "campaign.toml").write_text(
        'name = "a"\nsandboxes = ["fake"]\nworkloads = [\n  "startup",\n  "own/mine.toml",\n]\n'
    )
    return tmp_path


def test_paths_are_relative_to_the_campaigns_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    loaded = config.load("../campaign.toml")
    assert Path(loaded.workloads[1]).resolve() == folder / "own" / "mine.toml"
    monkeypatch.chdir(folder)
    assert config.load("campaign.toml").workloads[1] == "own/mine.toml"


def test_an_option_is_relative_to_where_it_is_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "own")
    assert config.load("quick", workloads=("mine.toml",)).workloads == ("mine.toml",)


def test_a_wrong_workload_is_blamed_with_its_own_line(folder: Path) -> None:
    file = folder / "own" / "mine.toml"
    file.write_text(file.read_text().replace("seconds = 1", "seconds = '1'"))
    line = file.read_text().splitlines().index("seconds = '1'") + 1
    with pytest.raises(CampaignError) as refused:
        config.load(str(folder / "campaign.toml"))
    said = f"{file}:{line}: seconds: must be a whole number, not text"
    assert str(refused.value) == f"{said} (named in {folder / 'campaign.toml'}:5)"
    with pytest.raises(CampaignError) as refused:
        config.load("quick", workloads=(str(file),))
    assert str(refused.value) == said


def test_a_workload_that_is_not_there_is_named_with_the_line_that_names_it(folder: Path) -> None:
    shutil.rmtree(folder / "own")
    with pytest.raises(CampaignError, match=r"mine.toml: No such file.*campaign.toml:5\)"):
        config.load(str(folder / "campaign.toml"))


def test_a_workload_and_a_campaign_are_not_taken_for_each_other(folder: Path) -> None:
    with pytest.raises(CampaignError, match=r"this is a workload, no campaign; use -w"):
        config.load(str(folder / "own" / "mine.toml"))
    campaign = str(folder / "campaign.toml")
    with pytest.raises(CampaignError, match=r"is a campaign, no workload; `tare run"):
        config.load("quick", workloads=(campaign,))


def test_every_key_that_must_be_there_is_named_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('name = "a"\n')
    with pytest.raises(CampaignError, match="sandboxes, workloads missing"):
        config.load(str(file))
    assert config.load(str(file), sandboxes=("fake",), workloads=("startup",)).name == "a"


def test_by_default_there_are_blocks_enough_for_an_interval(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    own = 'name = "a"\nsandboxes = ["fake"]\nworkloads = ["startup"]\n'
    file.write_text(own)
    assert config.load(str(file)).blocks_min == 6
    file.write_text(f"{own}blocks_max = 3\n")
    assert config.load(str(file)).blocks_min == 3


@pytest.mark.parametrize(
    ("kind", "name", "needed"),
    [
        ("preset", "quick", ["name", "sandboxes", "workloads"]),
        ("workload", "xz", ["name", "title", "command", "seconds", "timeout_s"]),
    ],
)
def test_the_schema_names_what_must_be_there(
    capsys: pytest.CaptureFixture[str], kind: str, name: str, needed: list[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["show", kind, name, "--schema"])
    schema = json.loads(capsys.readouterr().out)
    own = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert own["required"] == needed
    assert "default" in own["properties"]["budget_s" if kind == "preset" else "needs"]
