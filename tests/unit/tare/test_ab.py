"""``tare ab``: what names a version, and that turns are taken in the order of a coin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.errors import CampaignError, UnknownSandboxError
from tare import cli, versions

HERE = Path(__file__).parents[3]


def test_a_version_is_a_sandbox_an_image_a_campaign_or_a_checkout() -> None:
    assert versions.parse("container:no-seccomp").sandbox == "container:no-seccomp"
    assert versions.parse("image:mine").image == "mine"
    assert versions.parse("mine.toml").campaign == "mine.toml"
    assert versions.parse(str(HERE)).checkout == HERE


def test_what_names_nothing_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="no checkout of tare"):
        versions.parse(str(tmp_path))
    with pytest.raises(CampaignError, match="a version is a sandbox, image:NAME"):
        versions.parse(str(tmp_path / "nowhere"))
    with pytest.raises(UnknownSandboxError):
        versions.parse("contaner")


@pytest.mark.campaigns
def test_turns_are_kept_with_their_order_and_too_few_are_no_pass(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tare.measure.state_folder", lambda: tmp_path / "state")
    out = tmp_path / "turns"
    options = f"--rounds 2 --blocks 2 --out {out} --seed 1 --format json"
    with pytest.raises(SystemExit) as end:
        cli.main(["ab", "fake", "fake:slow", *options.split()])
    assert end.value.code == 5
    found = json.loads(capsys.readouterr().out)
    assert found["entirely_blind"]
    kept = json.loads((out / "ab.json").read_text())
    assert kept["new"] == "fake:slow"
    assert [sorted(order) for order in kept["rounds"]] == [["base", "new"]] * 2
    assert (out / "002-new" / "samples.jsonl").exists()
