"""The blocks of code in README and docs are what they say they are."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest

from benchmarks import workloads
from benchmarks.campaign import config
from tests.framework.documents import PAGES, ROOT, Block, anchors, blocks, links

if TYPE_CHECKING:
    from pathlib import Path

PYTHON = blocks("python")
WHOLE = [block for block in PYTHON if block.page.name == "vmprofiles.md"]
"""Blocks that need neither root nor a name from the text around them."""


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_a_block_of_toml_is_what_its_page_says(block: Block, tmp_path: Path) -> None:
    data = tomllib.loads(block.text)
    path = tmp_path / "mine.toml"
    path.write_text(block.text)
    if "sandboxes" in data or "workloads" in data:
        assert config.load(str(path)).name == data["name"]
    elif "pattern" in data:
        assert workloads.load(str(path)).name == data["name"]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_what_a_block_of_python_imports_exists(block: Block) -> None:
    tree = ast.parse(block.text, str(block))
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    exec(compile(ast.Module(imports, []), str(block), "exec"), {})


@pytest.mark.parametrize("block", WHOLE, ids=str)
def test_a_whole_block_of_python_runs(block: Block) -> None:
    subprocess.run([sys.executable, "-c", block.text], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for line, target in links(page):
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            lost.append(f"{page.relative_to(ROOT)}:{line}: {target}")
    assert lost == []


def test_every_page_is_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        found = [(page.parent / target.partition("#")[0]).resolve() for _, target in links(page)]
        waiting += [one for one in found if one.suffix == ".md" and one.exists()]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []
