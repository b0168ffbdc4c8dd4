"""Examples of every command: for its help and for the man page."""

from __future__ import annotations

import click

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("tare doctor", "what this host can measure"),
        ("tare run quick", "weigh native, container and VM"),
    ),
    "doctor": (
        ("tare doctor --verbose", "how every answer was found out"),
        ("tare doctor --ci", "what a runner can gate, in three lines"),
    ),
    "image": (("tare image list", "the images there are"),),
    "image build": (
        ("tare image build", "from this distribution's packages"),
        ("tare image build --refresh", "with the packages of today"),
    ),
    "image import": (
        ("tare image import ./rootfs --name mine", "a folder with a root file system"),
        ("tare image import image.tar", "what podman or docker saved"),
    ),
    "image export": (("tare image export mine mine.tar", "for a host that builds none"),),
    "image list": (("tare image list --json", "for programs"),),
    "image verify": (("tare image verify mine", "whether it is still what it was"),),
    "image rm": (("tare image rm mine", "remove it from the cache"),),
    "run": (
        ("tare run quick", "native, container and VM side by side"),
        ("tare run startup -s podman -s vm", "only these sandboxes"),
        ("tare run quick -w ./mine.toml", "a workload of one's own"),
        ("tare run mine.toml --dry-run", "the plan of a campaign of one's own"),
        ("tare run full --wait", "once no other campaign runs here"),
        ("tare run --resume RUN", "go on with a run"),
    ),
    "report": (
        ("tare report RUN", "report.html in the run folder"),
        ("tare report RUN --serve", "show it to a browser elsewhere"),
        ("tare report RUN --format csv --out run.csv", "the samples for a table"),
    ),
    "compare": (
        ("tare compare BASE NEW", "ends with 3 if NEW is worse"),
        ("tare compare BASE NEW --threshold 0.1", "only from 10 % on"),
    ),
    "export": (
        ("tare export RUN --format bmf", "for Bencher"),
        ("tare export NEW --format junit --against BASE", "what is worse fails"),
    ),
    "ab": (
        ("tare ab container container:no-seccomp", "what a filter costs"),
        ("tare ab oci:runc oci:crun --rounds 10", "two runtimes, ten rounds"),
    ),
    "history": (
        ("tare history runs", "where the runs of a folder changed"),
        ("tare history runs --html history.html", "a page of all series"),
    ),
    "leaks": (
        ("tare leaks container podman", "what both see of the host"),
        ("tare leaks --explain meminfo", "what one probe does and found"),
        ("tare leaks --json > base.json", "a baseline; then:"),
        ("tare leaks --baseline base.json", "ends with 3 if anything is new"),
    ),
    "selfcheck": (("tare selfcheck --seconds 120", "the longer the more certain"),),
    "list": (
        ("tare list presets", "the campaigns that come with tare"),
        ("tare list probes --json", "for programs"),
    ),
    "show": (
        ("tare show preset quick", "what it measures and how long it takes"),
        ("tare show probe meminfo", "what is read and how it is decided"),
        ("tare show preset quick --schema", "every key of a campaign's file"),
    ),
    "shell": (
        ("tare shell container", "look around, line by line"),
        ("echo 'cat /proc/self/status' | tare shell vm", "one line in a guest"),
    ),
    "man": (("tare man | man -l -", "read it"),),
    "clean": (("tare clean --dry-run", "only name what would be removed"),),
}
"""Words of a command behind `tare` to its examples: a command line, and what it is for."""

_APART = 2


def add(command: click.Command, path: str) -> click.Command:
    """Give a command, and those in it, their examples behind its options."""
    shown = EXAMPLES.get(path, ())
    if shown:
        width = max(len(line) for line, _ in shown) + _APART
        lines = [f"  {line:{width}}{told}" for line, told in shown]
        command.epilog = "\n".join(["\b", "Examples:", *lines])
    if isinstance(command, click.Group) and path:
        for name, one in command.commands.items():
            add(one, f"{path} {name}")
    return command
