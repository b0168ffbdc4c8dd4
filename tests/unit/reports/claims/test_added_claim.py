"""A claim is an entry in TOML, and at most one file with the rule that decides."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

import reports
from reports.claims import judges
from reports.claims.registry import JUDGES
from reports.model import declaration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.reports.conftest import Synthetic

ENTRIES = """
[[claim]]
id = "few-processes"
title = "Few processes"
statement = "An idle container takes few host processes."
margin = "at most two"

[[claim]]
id = "same-bytes-again"
title = "The same again"
statement = "The same image brings the same bytes."
margin = "one digest"
judge = "same-environment"
"""
RULE = '''
    """Judge how many processes there are."""

    from reports.claims.registry import judge, verdict
    from reports.model.records import Verdict


    @judge("few-processes")
    def few(claim, data):
        most = max(row.maximum for row in data.of("memory") if row.metric == "processes")
        kind = Verdict.SUPPORTED if most <= 2 else Verdict.REFUTED
        return verdict(claim, kind, "counted", f"{most:g} at most")
'''


@pytest.fixture(autouse=True)
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "few.py").write_text(textwrap.dedent(RULE))
    declared = tmp_path / "claims.toml"
    declared.write_text(declaration.DECLARATION.read_text() + ENTRIES)
    monkeypatch.setattr(declaration, "DECLARATION", declared)
    monkeypatch.setattr(judges, "__path__", [*judges.__path__, str(tmp_path)])
    declaration.declared.cache_clear()
    yield
    declaration.declared.cache_clear()
    JUDGES.pop("few-processes", None)
    sys.modules.pop("reports.claims.judges.few", None)


def test_both_are_judged_and_shown(synthetic: Synthetic) -> None:
    run = synthetic.build()
    found = {claim.id: claim for claim in reports.document(run).claims}
    assert found["few-processes"].verdict == "supported"
    assert found["few-processes"].reason == "2 at most."
    assert found["same-bytes-again"].reason == found["same-environment"].reason
    assert '<h3 id="few-processes">Few processes' in reports.render(run, "html")
