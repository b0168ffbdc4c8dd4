"""The kind of sandbox that the page on the architecture adds, by one file, on the real kernel."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import sandboxes
from benchmarks.results.records import Resources
from benchmarks.sandboxes import kinds, registry
from benchmarks.sandboxes.base import Setting

if TYPE_CHECKING:
    import pytest

    from benchmarks.image import Image

PAGE = Path(__file__).parents[4] / "docs" / "architecture.md"


def test_the_page_s_example_starts_and_leaves_nothing(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = PAGE.read_text().partition("## Add a sandbox")[2]
    example = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert example is not None
    (tmp_path / "unshare_of_the_page.py").write_text(example[1])
    monkeypatch.setattr(registry, "_kinds", list(sandboxes.all_kinds() and registry._kinds))
    monkeypatch.setattr(kinds, "__path__", [*kinds.__path__, str(tmp_path)])
    state = Path(f"/run/tare-added-{os.getpid()}")
    setting = Setting(
        resources=Resources(cpus=1, cpuset=(max(os.sched_getaffinity(0)),), memory_bytes=256 << 20),
        image_root=image.root,
        image=image,
        state=state,
        logs=state,
        seed=1,
    )
    try:
        with sandboxes.open_sandbox("unshare", setting) as box:
            with box.start() as instance:
                found = instance.memory()
                assert instance.stamps["requested"] < instance.stamps["main"]
            assert box.leftovers() == []
    finally:
        shutil.rmtree(state, ignore_errors=True)
    kind = sandboxes.find("unshare")
    assert {name for name, value in found.items() if value is None} == kind.lacks.keys()
