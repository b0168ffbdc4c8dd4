"""Hold the sections of a report: a file each, found by being here.

A module with a ``SECTION`` is a section; nothing else names it. A folder put on this package's
``__path__`` is searched as well.
"""

import importlib
import pkgutil
from collections.abc import Container

from reports.model.content import Shown
from reports.model.rundata import RunData
from reports.sections.base import Section

__all__ = ["Section", "every", "of", "shown"]


def every() -> list[Section]:
    """Return all sections, in the order in which a report shows them."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.iter_modules(__path__, f"{__name__}.")
    ]
    found = [module.SECTION for module in modules if hasattr(module, "SECTION")]
    return sorted(found, key=lambda section: (section.place, section.name))


def of(workloads: Container[str]) -> list[Section]:
    """Return the sections of some workloads."""
    return [one for one in every() if any(name in workloads for name in one.workloads)]


def shown(data: RunData, workloads: Container[str] | None = None) -> tuple[Shown, ...]:
    """Return what each section says of a run, also of those that do not apply to it.

    Args:
        data: The run.
        workloads: Only the sections of these; None for all sections.
    """
    return tuple(
        Shown(section.name, content.title or section.title, content)
        for section in (every() if workloads is None else of(workloads))
        for content in [section.build(data)]
    )
