"""``tare run``: measure a campaign into a run folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmarks.campaign import config as campaigns
from benchmarks.errors import BenchmarkError, CampaignError
from tare import completion, images
from tare.completeness import judge
from tare.errors import ExitCode
from tare.measure import measure_run
from tare.patience import WaitingCommand, patiently
from tare.settings import commit_asked_for, folder_asked_for, new_run_folder
from tare.terminal import say

if TYPE_CHECKING:
    from benchmarks.campaign.config import Campaign
    from benchmarks.results.runfolder import Run


_NEXT = {
    "smoke": "`tare run quick` weighs native, container and VM in about three minutes",
    "quick": "`tare run full` weighs CPU, memory and files, too; `tare list presets` names all",
}
_ELSE = "`tare compare BASE NEW` tells whether a later run is worse; `tare list presets` names all"


@click.command("run", cls=WaitingCommand)
@click.argument(
    "campaign", default="quick", metavar="[PRESET|FILE.toml]", shell_complete=completion.presets
)
@click.option(
    "--sandbox",
    "-s",
    multiple=True,
    shell_complete=completion.sandboxes,
    help="Measure only these; may be repeated.",
)
@click.option(
    "--workload",
    "-w",
    multiple=True,
    shell_complete=completion.workloads,
    help="Run only these; may be repeated.",
)
@click.option("--budget", type=float, help="Wall time in which a new block may begin, seconds.")
@click.option("--precision", type=float, help="Wanted relative half-width of the median start.")
@click.option("--blocks", type=int, help="Measure exactly this many blocks.")
@click.option(
    "--seed", type=int, help="Seed of the order; drawn by default. Repeats a run's order."
)
@click.option("--libvirt-uri", metavar="URI", help="Start VMs there; by default in this process.")
@images.option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=folder_asked_for,
    help="Run folder; new by default.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN",
    shell_complete=completion.runs,
    help="Continue a run that was ended; measures only what is missing.",
)
@click.option(
    "--commit",
    metavar="SHA",
    callback=commit_asked_for,
    help="Commit of what is measured; by default what CI says it works on.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0.0),
    default=0.0,
    metavar="[SECONDS]",
    help="Wait while another campaign runs here; without a number for as long as it takes.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and measure nothing.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="End with 0 also where a sandbox or a workload gave nothing.",
)
@click.option("--report/--no-report", default=True, help="Write report.html into the run folder.")
def command(
    campaign: str,
    *,
    sandbox: tuple[str, ...],
    workload: tuple[str, ...],
    budget: float | None,
    precision: float | None,
    blocks: int | None,
    seed: int | None,
    libvirt_uri: str | None,
    image: str | None,
    out: Path | None,
    resume: Path | None,
    commit: str | None,
    wait: float,
    dry_run: bool,
    allow_missing: bool,
    report: bool,
) -> int:
    """Measure a campaign: a preset (quick by default) or a TOML file.

    Ends with 4 where a sandbox could not be had here, and with 1 where one never started, where a
    workload gave nothing in a sandbox, or where nothing was measured at all; with 6 where another
    campaign runs on this host.
    """
    overrides = {
        "sandboxes": sandbox or None,
        "workloads": workload or None,
        "budget_s": budget,
        "precision": precision,
        "blocks_min": blocks,
        "blocks_max": blocks,
        "seed": seed,
        "libvirt_uri": libvirt_uri,
    }
    if resume is not None:
        context = click.get_current_context()
        sources = map(context.get_parameter_source, ("campaign", "commit"))
        named = any(one is not click.core.ParameterSource.DEFAULT for one in sources)
        if named or out or image or any(value is not None for value in overrides.values()):
            raise click.UsageError("--resume takes the campaign from the run; give nothing else")
        chosen = _campaign_of(resume)
        folder = resume
    else:
        chosen = campaigns.load(campaign, **overrides)
        folder = out or new_run_folder(chosen.name)
    if dry_run:
        _print_plan(chosen, folder, image)
        return ExitCode.OK
    run = _measured(chosen, folder, image, commit, resume=resume is not None, wait_s=wait)
    _show(run, report=report)
    return judge(run, allow_missing=allow_missing)


def _campaign_of(folder: Path) -> Campaign:
    import msgspec

    from benchmarks.results import runfolder

    info = runfolder.load_info(folder)
    try:
        return campaigns.convert(info.campaign)
    except (msgspec.ValidationError, BenchmarkError) as error:
        raise CampaignError(
            f"{folder / 'run.json'}: its campaign cannot be used: {error}",
        ) from error


def _measured(
    campaign: Campaign,
    folder: Path,
    image: str | None,
    commit: str | None,
    *,
    resume: bool,
    wait_s: float,
) -> Run:
    from benchmarks.campaign.estimate import too_short
    from tare.progress import CampaignProgress

    with CampaignProgress(campaign) as progress:
        if said := too_short(campaign):
            progress.note(said)
        try:
            return patiently(
                lambda: measure_run(
                    campaign, folder, progress, image=image, resume=resume, commit=commit
                ),
                wait_s,
                progress.note,
            )
        except KeyboardInterrupt as error:
            if not (folder / "run.json").exists():
                raise KeyboardInterrupt("stopped before anything was begun") from error
            raise KeyboardInterrupt(
                f"stopped; continue with `tare run --resume {folder}`",
            ) from error


def _show(run: Run, *, report: bool) -> None:
    from rich.console import Console

    import reports

    made = f"run: {click.format_filename(run.path)}"
    if report:  # first: nothing of it is lost where standard output takes nothing
        reports.write(run, "json", run.path / "summary.json")
        path = reports.write(run, "html", run.path / "report.html")
        made = f"report: {click.format_filename(path)}"
    Console().print(reports.summary(run))
    click.echo(made)
    if report:
        folder = click.format_filename(run.path)
        called = "tare" if shutil.which("tare") else click.format_filename(sys.argv[0])
        say(f"see it: `{called} report {folder} --serve` shows it to a browser, from a server too")
    say(f"next:   {_NEXT.get(run.info.campaign.get('name', ''), _ELSE)}")


def _print_plan(campaign: Campaign, folder: Path, image: str | None) -> None:
    from benchmarks.campaign.estimate import too_short
    from benchmarks.campaign.schedule import order
    from benchmarks.session.resources import choose_resources

    resources = choose_resources(campaign)
    cpus = ", ".join(map(str, resources.cpuset))
    click.echo(f"campaign   {campaign.name}")
    click.echo(f"seed       {campaign.seed}")
    click.echo(f"run folder {click.format_filename(folder)}")
    click.echo(f"workloads  {', '.join(campaign.workloads)}")
    click.echo(f"resources  {resources.cpus} CPU (host CPU {cpus}), {campaign.memory_mib} MiB")
    click.echo(
        f"stops      at ±{campaign.precision:.0%} on the median start or after "
        f"{campaign.budget_s:g} s, with {campaign.blocks_min} to {campaign.blocks_max} blocks",
    )
    real = not images.only_fake(campaign)
    for line in _estimated(campaign, real=real):
        click.echo(line)
    if said := too_short(campaign):
        click.echo(f"           {said}")
    for block in range(campaign.blocks_min):
        names = order(campaign.seed, block, campaign.sandboxes)
        click.echo(f"block {block + 1:<4} {' → '.join(names)}")
    click.echo(f"image      {(image or 'built when missing') if real else 'not needed'}")


def _estimated(campaign: Campaign, *, real: bool) -> list[str]:
    """Say how long it will take, in words that do not promise more than is known."""
    from benchmarks.campaign.estimate import estimate

    found = estimate(campaign)
    whole = f"{found.block_s:.3g} s a block, {found.blocks} blocks, {found.seconds:.3g} s in all"
    lines = [f"estimate   {whole}; less where the precision is reached before"]
    if found.once:
        lines.append(f"           and what is looked at once: {', '.join(found.once)}")
    if real:
        lines.append("           and opening the sandboxes; a VM counts as tuned and emulated")
    return lines
