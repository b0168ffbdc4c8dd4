"""The lower bound of a container's start: a small C program, built where it is first needed."""

from pathlib import Path

from benchmarks.errors import UnsuitableHostError
from runtime import UnsupportedError
from runtime.harness import compiled

SOURCE = Path(__file__).parent / "floor.c"


def build(cache: Path | None = None) -> Path:
    """Return the built program, compiling it when this source has not been compiled before.

    Args:
        cache: Folder to keep it in; by default where the runtime keeps its own programs.

    Raises:
        UnsuitableHostError: There is no C compiler, or it refuses; says how to get one. Or others
            could exchange what root would run.
    """
    try:
        return compiled("floor", [SOURCE], cache)
    except UnsupportedError as error:
        raise UnsuitableHostError(str(error)) from error
