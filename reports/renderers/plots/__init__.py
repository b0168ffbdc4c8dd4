"""Draw the pictures of a report: matplotlib figures, of data that a section gives.

Its modules are imported when first asked for: most forms of a report draw nothing.
"""

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"there is no plot {name!r}") from error
