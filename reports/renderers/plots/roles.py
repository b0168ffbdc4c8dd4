"""Name the colours of pictures by their role: each becomes a CSS variable of the page.

A role is a hexadecimal number no one would choose, so one picture serves light, dark and print.
"""

INK, MUTED, GRID, PAPER, BAND = "#010101", "#010102", "#010103", "#010104", "#010105"
SERIES = ("#010110", "#010111", "#010112", "#010113", "#010114", "#010115")
"""Roles of sandboxes, in the order of a run."""
STEPS = ("#010120", "#010121", "#010122", "#010123", "#010124")
"""Roles of the boundaries of a start, in their order."""

ROLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    BAND: "--band",
    **{role: f"--series-{place}" for place, role in enumerate(SERIES)},
    **{role: f"--step-{place}" for place, role in enumerate(STEPS)},
}
