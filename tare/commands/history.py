"""``tare history``: see where many runs changed, and end as the latest stand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import click

from tare import completion
from tare.commands.compare import finite
from tare.errors import ExitCode

_GIT_S = 20


@click.command("history")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR…",
    shell_complete=completion.runs,
)
@click.option(
    "--threshold",
    type=click.FloatRange(min=0.0, min_open=True),
    default=0.02,
    show_default=True,
    callback=finite,
    help="Smallest relative change that is an alarm.",
)
@click.option(
    "--ack",
    type=click.Path(path_type=Path),
    metavar="FILE.toml",
    help="Changes that were looked at and are no alarm.",
)
@click.option(
    "--allow-inconclusive",
    is_flag=True,
    help="End with 0 also where there are too few runs to judge anything.",
)
@click.option(
    "--html",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page of all series there, too.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def command(
    folders: tuple[Path, ...],
    *,
    threshold: float,
    ack: Path | None,
    allow_inconclusive: bool,
    html: Path | None,
    form: str,
) -> int:
    """Make series of the runs in each DIR, a run folder or a folder of them, and judge them.

    Ends with 3 where a regression stands in the latest runs that nobody has acknowledged, and with
    5 where no series has enough runs to be judged.
    """
    import reports

    found = reports.over_time(folders, threshold, ack, between=between_commits)
    if html is not None:  # first: nothing of it is lost where standard output takes nothing
        reports.write_history(found, html)
    click.echo(reports.render_history(found, form).rstrip("\n"))
    if found.regressed:
        return ExitCode.REGRESSION
    return ExitCode.OK if found.tested or allow_inconclusive else ExitCode.INCONCLUSIVE


def between_commits(good: str, bad: str) -> list[str]:
    """Return the commits behind one up to another in this folder's repository; none elsewhere."""
    args = ["git", "rev-list", "--reverse", "--end-of-options", f"{good}..{bad}"]
    try:
        done = subprocess.run(args, capture_output=True, text=True, timeout=_GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []
