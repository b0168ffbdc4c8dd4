"""What tare calls itself in every run."""

import subprocess
import sys
from pathlib import Path

import tare


def test_it_has_a_version() -> None:
    assert tare.__version__[0].isdigit()


def test_empty_metadata_on_the_way_is_no_version(tmp_path: Path) -> None:
    (tmp_path / "tarebench.egg-info").mkdir()
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tare; print(tare.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "unknown\n", done.stderr
