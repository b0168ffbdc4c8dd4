from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

import reports
from benchmarks.results.journal import Visit
from benchmarks.results.runfolder import Run
from tests.unit.reports.conftest import Synthetic

HOSTILE = "<script>alert('x')</script>"


class Page(HTMLParser):
    """Collects what a browser would load, and the identifiers it would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.links += [given[key] or "" for key in ("src", "href", "xlink:href") if key in given]


@pytest.fixture(scope="module")
def page() -> str:
    return reports.render(Synthetic().build(), "html")


def test_nothing_is_loaded_and_nothing_runs(page: str) -> None:
    parsed = Page(page)
    assert not re.search(r"https?:", page)
    assert "url(http" not in page
    assert not {"script", "link", "iframe", "img", "object"} & set(parsed.tags)
    assert all(link.startswith("#") for link in parsed.links)


def test_links_lead_somewhere_and_identifiers_are_unique(page: str) -> None:
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {link[1:] for link in parsed.links} <= set(parsed.ids)


def test_every_picture_has_title_description_and_a_table(page: str) -> None:
    pictures = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(pictures) == 5
    for picture in pictures:
        root = ET.fromstring(picture)
        assert root.findtext("title")
        assert len(root.findtext("desc") or "") > 40
        assert root.get("role") == "img"
    for section in re.findall(r"<section.*?</section>", page, flags=re.DOTALL):
        if "<svg" in section:
            assert section.rindex("</svg>") < section.index("<table>")


def test_pictures_take_their_colours_from_the_page(page: str) -> None:
    style, _, body = page.partition("</style>")
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    assert not re.search(r"#0101[0-9a-f]{2}", body)
    for variable in set(re.findall(r"var\((--[\w-]+)\)", body)):
        assert style.count(f"{variable}:") == 3


def test_verdicts_stand_before_any_number(page: str) -> None:
    assert page.index("Read this first") < page.index('class="verdicts"')
    assert page.index('class="verdicts"') < page.index("<svg")
    assert "supported (bound)" in page
    assert "not testable here" in page


def test_a_hostile_host_shows_as_text(synthetic: Synthetic) -> None:
    synthetic.hostname = HOSTILE
    synthetic.absent = {"vm:stock": HOSTILE}
    synthetic.leaks["boot-id"] = (HOSTILE, "namespaced")
    text = reports.render(synthetic.build(), "html")
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;alert" in text
    assert "<script" not in reports.render(synthetic.build(), "md").replace("\\<", "")


def test_emulated_numbers_are_announced_and_marked(synthetic: Synthetic) -> None:
    emulated = reports.render(synthetic.build(), "html")
    assert "emulated in software (TCG)" in emulated
    assert "inadmissible" in emulated
    assert re.search(r"2\.\d+\N{NO-BREAK SPACE}s&nbsp;\N{DAGGER}", emulated)
    synthetic.emulated = False
    real = reports.render(synthetic.build(), "html")
    assert "emulated in software" not in real
    assert "\N{DAGGER}</td>" not in real


def test_failures_are_counted_with_their_reason(synthetic: Synthetic) -> None:
    synthetic.failing = {("container", "startup_main_s"): {1, 2}}
    text = reports.render(synthetic.build(), "html")
    assert "2 of " in text
    assert "the payload&#39;s first byte did not come within 60 s" in text


def test_disturbed_samples_are_kept_and_counted(synthetic: Synthetic) -> None:
    synthetic.flagged_block = 3
    assert "while the host showed" in reports.render(synthetic.build(), "html")


def test_host_image_resources_and_harness_are_told(page: str) -> None:
    for told in (
        "Invented CPU",
        "sha256:abab",
        "512\N{NO-BREAK SPACE}MiB",
        "cpuset and memory cgroup",
        "920\N{NO-BREAK SPACE}µs",
        "The host is itself a virtual machine",
    ):
        assert told in page


def test_a_run_of_starts_alone_makes_a_page(synthetic: Synthetic) -> None:
    synthetic.blocks = 1
    run = synthetic.build()
    starts = [sample for sample in run.samples if sample.workload == "startup"]
    text = reports.render(run._replace(samples=starts), "html")
    assert "Only 1 block" in text
    assert text.count("<svg") == 2


def test_a_run_where_everything_failed_makes_a_page(synthetic: Synthetic) -> None:
    synthetic.failing = {("native", "startup_main_s"): set(range(8))}
    run = synthetic.build()
    only = [
        sample
        for sample in run.samples
        if (sample.sandbox, sample.metric) == ("native", "startup_main_s")
    ]
    text = reports.render(run._replace(samples=only), "html")
    assert "8 of 8 samples" in text


def test_two_hundred_thousand_samples_take_seconds(synthetic: Synthetic) -> None:
    synthetic.blocks = 300
    run = synthetic.build()
    many = run.samples * 14
    visits = [Visit(block=0, sandbox="native", samples=0, seconds=1.0)]
    text = reports.render(Run(Path("x"), run.info, many, visits, 0), "html")
    assert len(many) > 200_000
    assert len(text) < 2_000_000


def test_starts_that_warm_up_or_resemble_each_other_are_told(synthetic: Synthetic) -> None:
    synthetic.blocks = 20
    run = synthetic.build()
    shares = [3.0] * 6 + [1.0 + 0.01 * (block % 5) for block in range(14)]
    samples = [
        msgspec.structs.replace(one, value=one.value * shares[one.block])
        if one.sandbox == "container" and one.metric == "startup_main_s"
        else one
        for one in run.samples
    ]
    said = reports.document(run._replace(samples=samples)).caveats
    assert any("first 6 starts of container differ from the rest" in one for one in said)
    assert any("Successive starts of container resemble each other" in one for one in said)
    assert not any("starts of native" in one for one in said)
