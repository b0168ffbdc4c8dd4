"""A section is one file: it is added in a folder of its own, and nothing else is touched."""

from __future__ import annotations

import io
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from rich.console import Console

import reports
from benchmarks.results.records import Unit
from reports import sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.reports.conftest import Synthetic

WEATHER = '''
    """Show the weather inside each sandbox."""

    import msgspec

    from reports.model.content import (
        Cell, Column, Content, Fold, Headline, Picture, Table, Tone, said,
    )
    from reports.sections.base import Section


    class Weather(msgspec.Struct, frozen=True):
        sandbox: str
        degrees: float | None


    def build(data):
        rows = tuple(Weather(name, None if name == "vm" else 21.5) for name in data.names)
        cells = [Cell("-" if row.degrees is None else str(row.degrees)) for row in rows]
        table = Table(
            "Degrees by sandbox",
            (Column("Sandbox"), Column("Degrees", number=True)),
            tuple((row.sandbox, cell) for row, cell in zip(rows, cells)),
        )
        return Content(
            blocks=(
                said("It is ", Cell("sunny", tone=Tone.GOOD), " in <most> of them."),
                Picture("weather", "A sun over each", "A sun", draw),
                table,
                Fold("Where it was read", (said("On the roof."),)),
            ),
            records={"weather": rows},
            headlines=(Headline("temperature", dict(zip(data.names, cells))),),
            facts=("No rain is expected",),
        )


    def draw():
        from reports.renderers.plots import svg

        return svg.figure(1)


    SECTION = Section(
        name="weather",
        title="Weather inside",
        place=75,
        build=build,
        records={"weather": tuple[Weather, ...]},
        workloads=("weather",),
        explains=lambda: {"sun": "Looks up"},
    )
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package somewhere else, put on the path of the sections."""
    (tmp_path / "weather.py").write_text(textwrap.dedent(WEATHER))
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    yield tmp_path
    sys.modules.pop("reports.sections.weather", None)
    vars(sections).pop("weather", None)


@pytest.mark.usefixtures("folder")
def test_it_is_in_every_form(synthetic: Synthetic) -> None:
    run = synthetic.build()
    page = reports.render(run, "html")
    assert '<h2 id="weather">Weather inside</h2>' in page
    assert '<span class="word kept">sunny</span> in &lt;most&gt; of them' in page
    assert 'aria-labelledby="weather-title weather-desc"' in page
    assert "<summary>Where it was read</summary>" in page
    assert page.index('id="memory"') < page.index('id="weather"') < page.index('id="leaks"')
    for fmt in ("md", "text"):
        shown = reports.render(run, fmt)
        assert "Weather inside" in shown
        assert "Degrees by sandbox" in shown
        assert "21.5" in shown
        assert "A sun over each" in shown
        assert "Where it was read" in shown
    data = json.loads(reports.render(run, "json"))
    assert data["weather"][1] == {"sandbox": "container", "degrees": 21.5}
    assert data["weather"][2]["degrees"] is None
    jsonschema.validate(data, reports.schema())
    assert "weather" in reports.schema()["$defs"]["Report"]["properties"]


@pytest.mark.usefixtures("folder")
def test_it_is_in_the_summary_and_among_what_is_looked_at(synthetic: Synthetic) -> None:
    run = synthetic.build()
    console = Console(file=io.StringIO(), width=80, record=True)
    console.print(reports.summary(run))
    shown = console.export_text()
    assert "temperature" in shown
    assert "No rain is expected" in shown
    assert reports.render_looks(run, {"weather"}).startswith("Weather inside\n====")
    assert reports.explanations({"weather"}) == {"sun": "Looks up"}


def test_the_example_of_the_documentation_works(
    synthetic: Synthetic, folder: Path, request: pytest.FixtureRequest
) -> None:
    page = Path(__file__).parents[4] / "docs" / "report.md"
    example = page.read_text().partition("```python\n")[2].partition("```")[0]
    (folder / "warmth.py").write_text(example)
    request.addfinalizer(lambda: sys.modules.pop("reports.sections.warmth", None))
    run = synthetic.build()
    sample = next(one for one in run.samples if one.sandbox == "native")
    warm = msgspec.structs.replace(
        sample, workload="warmth", metric="degrees", unit=Unit.COUNT, value=21.0
    )
    assert "Warmth" not in reports.render(run, "text")
    shown = reports.render_looks(run._replace(samples=[*run.samples, warm]), {"warmth"})
    assert shown.splitlines()[0] == "Warmth"
    assert shown.splitlines()[-1].split() == [sample.sandbox, "21"]


def test_it_is_gone_with_its_folder(synthetic: Synthetic) -> None:
    assert "weather" not in json.loads(reports.render(synthetic.build(), "json"))
