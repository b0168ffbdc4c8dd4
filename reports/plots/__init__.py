"""The pictures of a report: matplotlib figures as inline SVG that follows the page's colours."""

from reports.plots.svg import Picture

__all__ = ["Picture"]
