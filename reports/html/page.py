"""Renders the page: words through an autoescaping template, pictures as inline SVG."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from benchmarks.experiments.covert_channels import PUBLISHED_IN
from benchmarks.results import metrics
from reports import channels, interference, units
from reports.html import tables
from reports.plots import crowds, isolation, levels, startup

if TYPE_CHECKING:
    import pandas as pd

    from reports.document_model import Document
    from reports.plots.svg import Picture

_HERE = Path(__file__).parent
_MOST_FAILURES = 40
_MOST_CHANGES = 200

_GLYPHS = {
    "supported": "\N{CHECK MARK}",
    "supported (bound)": "\N{CHECK MARK}",
    "equivalent": "=",
    "refuted": "\N{BALLOT X}",
    "inconclusive": "?",
    "not testable here": "\N{EN DASH}",
    "reproduced": "\N{CHECK MARK}",
    "not reproduced": "\N{BALLOT X}",
}


def render(report: Document, table: pd.DataFrame) -> str:
    """Return the page as text.

    Args:
        report: What ``document`` made of the run.
        table: The run's samples, tidy; starts are drawn one by one.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "quantity": units.quantity,
        "estimate": units.estimate,
        "interval": units.interval,
        "p": units.p_value,
        "percent": units.percent,
        "published": units.published,
        "times": units.times,
        "compared": units.compared,
        "svg": _trusted,
        "breakable": lambda name: Markup(":<wbr>").join(name.split(":")),
        "slug": lambda text: text.replace(" ", "-").replace("(", "").replace(")", ""),
    }
    template = environment.get_template("report.html.j2")
    start_rows, memory_rows = startup.rows(report), levels.memory_rows(report)
    return template.render(
        report=report,
        style=Markup((_HERE / "style.css").read_text(encoding="utf-8")),  # noqa: S704  # our own file
        when=datetime.fromtimestamp(report.created_at, UTC).strftime("%-d %B %Y, %H:%M UTC"),
        glyphs=_GLYPHS,
        host=tables.host(report),
        harness=tables.harness(report),
        ladder=startup.ladder(report),
        spread=startup.spread(report, table),
        memory=levels.memory(report),
        throughput=levels.throughput(report),
        start_table=tables.pivot(report, start_rows),
        memory_table=tables.pivot(report, memory_rows),
        rate_table=tables.pivot(report, levels.throughput_rows(report), against_native=True),
        parallel_table=tables.pivot(report, crowds.rows(report, metrics.PARALLEL)),
        parallel_picture=crowds.parallel(report),
        density_table=tables.pivot(report, crowds.rows(report, metrics.DENSITY)),
        footprint_table=tables.pivot(
            report, crowds.rows(report, metrics.IDLE, metrics.COLD, metrics.SMALLEST)
        ),
        meanwhile=tables.meanwhile(report),
        leaks=tables.matrix(report, metrics.LEAKS),
        controls=tables.matrix(report, metrics.CONTROLS),
        leak_words=tables.leaking(),
        probes=[row for row in report.words if row.workload in {metrics.LEAKS, metrics.CONTROLS}],
        channel_table=channels.table(report),
        slowdown_table=interference.slowdown_table(report),
        account_table=interference.account_table(report),
        interference_picture=isolation.interference(report),
        ablation_picture=isolation.ablation(report),
        published_in=PUBLISHED_IN,
        sweep_totals=tables.sweep_totals(report),
        digests=[row for row in report.words if row.workload == metrics.CHECKSUM],
        most_failures=_MOST_FAILURES,
        most_changes=_MOST_CHANGES,
        missing=units.MISSING,
    )


def _trusted(picture: Picture) -> Markup:
    """Let a picture through the escaping: every text in it was escaped when it was made."""
    return Markup(picture.svg)  # noqa: S704  # see docstring
