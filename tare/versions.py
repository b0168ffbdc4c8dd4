"""What `tare ab` compares: two versions of anything a campaign can name, or of tare itself."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import sandboxes
from benchmarks.campaign import config as campaigns
from benchmarks.errors import BenchmarkError, CampaignError
from benchmarks.results import runfolder
from tare.measure import measure_run

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign
    from benchmarks.results.runfolder import Run
    from benchmarks.session.observer import Observer

_IMAGE = "image:"
_TOLD = 300


class TurnError(BenchmarkError):
    """A turn in another checkout could not be measured."""


@dataclass(frozen=True)
class Version:
    """One of the two.

    Attributes:
        name: It as it was given.
        sandbox: The sandbox it is; None for the one that both have in common.
        image: Name or digest of its image; None for the common one.
        campaign: The campaign file it is; None for the common one.
        checkout: Another checkout of tare that measures it; None for this one.
    """

    name: str
    sandbox: str | None = None
    image: str | None = None
    campaign: str | None = None
    checkout: Path | None = None

    def turn(self, plan: Plan, folder: Path, observer: Observer) -> Run:
        """Measure one turn, with everything opened anew.

        Raises:
            BenchmarkError: It cannot be measured here.
            ImageError: Its image cannot be had.
        """
        image = self.image or plan.image
        if self.checkout is None:
            return measure_run(plan.of(self), folder, observer, image=image)
        command = [
            _python(self.checkout),
            *("-m", "tare", "run", self.campaign or plan.campaign),
            *("-s", self.sandbox or plan.sandbox),
            *(word for one in plan.workloads for word in ("-w", one)),
            *("--blocks", str(plan.blocks), "--no-report", "--out", str(folder.absolute())),
            *(("--image", image) if image else ()),
        ]
        environment = {**os.environ, "PYTHONPATH": str(self.checkout)}
        done = subprocess.run(
            command, env=environment, cwd=self.checkout, capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1][:_TOLD]
            raise TurnError(f"the checkout {self.checkout} ended with {done.returncode}: {said}")
        return runfolder.load(folder)


@dataclass(frozen=True)
class Plan:
    """What both versions have in common.

    Attributes:
        campaign: Preset or file of the campaign.
        sandbox: The sandbox that is measured.
        workloads: What is measured in it.
        blocks: Blocks of one turn.
        image: Name or digest of the image; None for the one of this host's package sources.
        seed: Seed of the coin, and of the campaigns.
    """

    campaign: str
    sandbox: str
    workloads: tuple[str, ...]
    blocks: int
    image: str | None
    seed: int

    def of(self, version: Version) -> Campaign:
        """Return the campaign of one turn of a version.

        Raises:
            CampaignError: There is no such campaign, or it is wrong.
        """
        return campaigns.load(
            version.campaign or self.campaign,
            sandboxes=(version.sandbox or self.sandbox,),
            workloads=self.workloads,
            blocks_min=self.blocks,
            blocks_max=self.blocks,
            seed=self.seed,
        )


def parse(text: str) -> Version:
    """Return the version that a word of the command line names.

    Raises:
        CampaignError: It names nothing there is.
        UnknownSandboxError: It names no sandbox.
    """
    if text.startswith(_IMAGE):
        return Version(text, image=text.removeprefix(_IMAGE))
    path = Path(text)
    if text.endswith(".toml"):
        return Version(text, campaign=text)
    if path.is_dir():
        if not (path / "tare" / "__main__.py").exists():
            raise CampaignError(f"{text} is a folder, but no checkout of tare: it has no tare/")
        return Version(text, checkout=path.resolve())
    if "/" in text:
        raise CampaignError(
            f"{text} is not there; a version is a sandbox, {_IMAGE}NAME, a campaign's .toml file "
            "or the folder of a checkout"
        )
    sandboxes.find(text)
    return Version(text, sandbox=text)


def _python(checkout: Path) -> str:
    own = checkout / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable
