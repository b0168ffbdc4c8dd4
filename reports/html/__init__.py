"""The HTML report: one file, no script, nothing loaded from anywhere."""

from reports.html.page import render

__all__ = ["render"]
