"""Render a history as one HTML file: complete without scripts, searchable with one of our own."""

from reports.history.page.render import html

__all__ = ["html"]
