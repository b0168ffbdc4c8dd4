"""``tare ab``: compare two versions that are measured in turns."""

from __future__ import annotations

import random
from pathlib import Path

import click

from benchmarks.results import metrics
from tare import completion, images
from tare.commands.compare import ended
from tare.errors import ExitCode
from tare.settings import folder_asked_for, new_run_folder


@click.command("ab")
@click.argument("base", shell_complete=completion.sandboxes)
@click.argument("new", shell_complete=completion.sandboxes)
@click.option(
    "--campaign",
    default="startup",
    show_default=True,
    metavar="PRESET|FILE.toml",
    shell_complete=completion.presets,
)
@click.option(
    "--sandbox",
    "-s",
    default="container",
    show_default=True,
    shell_complete=completion.sandboxes,
    help="What is measured.",
)
@click.option(
    "--workload",
    "-w",
    shell_complete=completion.workloads,
    multiple=True,
    default=(metrics.STARTUP,),
    show_default=True,
    help="Measure these; may be repeated.",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    help="Wall time in which a round may begin, seconds.",
)
@click.option("--rounds", type=click.IntRange(min=1), help="Measure exactly so many instead.")
@click.option(
    "--blocks",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Blocks of one turn; their median counts.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0.0, min_open=True, max=1.0),
    default=0.05,
    show_default=True,
    help="The change that is to be found.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the coin; drawn by default.")
@images.option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    callback=folder_asked_for,
    help="Folder for the runs of all turns; new by default.",
)
@click.option("--allow-inconclusive", is_flag=True, help="End with 0 also where it is undecided.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(  # one parameter an option
    base: str,
    new: str,
    *,
    campaign: str,
    sandbox: str,
    workload: tuple[str, ...],
    budget: float,
    rounds: int | None,
    blocks: int,
    threshold: float,
    seed: int | None,
    image: str | None,
    out: Path | None,
    allow_inconclusive: bool,
    form: str,
) -> int:
    """Measure BASE and NEW in turns, in the order of a coin, and compare them.

    Each is a sandbox such as container:no-seccomp, oci:crun or vm:stock, image:NAME with the
    kernel it brings, a campaign's .toml file, or the folder of a checkout of tare. In every turn
    all is opened anew, so that what differs from run to run is averaged out. Ends as `tare compare`
    does: with 3 where NEW is worse, with 5 where that is undecided.
    """
    import reports
    from tare import turns, versions

    both = versions.parse(base), versions.parse(new)
    drawn = random.SystemRandom().randrange(2**31) if seed is None else seed
    plan = versions.Plan(campaign, sandbox, workload, blocks, image, drawn)
    for one in both:
        plan.of(one)  # what is wrong with it is said before anything is measured
    folder = out or new_run_folder("ab")
    if (folder / "ab.json").exists():
        raise click.UsageError(f"{folder} holds turns already; give another --out")
    taken = turns.take(both, plan, folder, budget_s=budget, most=rounds)
    names = (base, new) if base != new else (f"{base} (base)", f"{new} (new)")
    result = reports.compare_rounds(taken.base, taken.new, names, threshold)
    click.echo(reports.render_comparison(result, form).rstrip("\n"))
    if form == "text":
        click.echo(f"turns: {click.format_filename(folder)}, seed {drawn}")
    return ExitCode(ended(result, allow_inconclusive=allow_inconclusive))
