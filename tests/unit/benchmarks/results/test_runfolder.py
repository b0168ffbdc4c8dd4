"""A description of a run that cannot be used is refused for the right reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.errors import RunFolderError
from benchmarks.results import runfolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("schema", 2, "has schema 2, this tare reads schema 1; use the version of tare that wrote"),
        ("schema", "1", "is not a run description: schema: Expected `int`, got `str`"),
        ("schema", None, "is not a run description: schema: Expected `int`, got `null`"),
        ("created_at", 1e20, "is not a run description: created_at: Expected `float` < 2534023008"),
        ("sandboxes", {}, "is not a run description: sandboxes: Expected `array`, got `object`"),
    ],
)
def test_the_reason_names_the_key_and_what_is_wrong_with_it(
    fake_run: Path, key: str, value: Any, why: str
) -> None:
    file = fake_run / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    with pytest.raises(RunFolderError) as error:
        runfolder.load(fake_run)
    assert why in str(error.value)


def test_what_is_nested_too_deeply_is_refused(fake_run: Path) -> None:
    file = fake_run / "run.json"
    deep = '{"a":' * 50_000 + "1" + "}" * 50_000
    file.write_text(f'{{"campaign":{deep},{file.read_text()[1:]}')
    with pytest.raises(RunFolderError, match=r"run\.json is not a run description: it is nested"):
        runfolder.load(fake_run)
