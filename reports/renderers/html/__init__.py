"""Render a report as HTML: one file, no script, nothing loaded from anywhere."""

from reports.renderers.html.page import html

__all__ = ["html"]
