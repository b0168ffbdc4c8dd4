"""``tare image``: build, list and remove images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tare.errors import ExitCode

_MEBIBYTE = 1 << 20


@click.group("image")
def command() -> None:
    """Build, list and remove the images that every sandbox runs."""


@command.command("build")
@click.option("--refresh", is_flag=True, help="Build anew, with the packages of today.")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Take the tree from a directory instead of the distribution's packages.",
)
def build(*, refresh: bool, source: Path | None) -> int:
    """Build the image, unless the cache already has it, and print its digest."""
    from benchmarks import image

    built = image.build(
        progress=lambda line: click.echo(line, err=True),
        source=source,
        refresh=refresh,
    )
    click.echo(built.digest)
    return ExitCode.OK


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_images(*, as_json: bool) -> int:
    """List the images in the cache."""
    from benchmarks.image import store

    images = store.list()
    if as_json:
        rows = [
            {
                "digest": image.digest,
                "size_bytes": image.size_bytes,
                "kernel_release": image.kernel_release,
                "packages": len(image.packages),
            }
            for image in images
        ]
        click.echo(json.dumps(rows, indent=2))
        return ExitCode.OK
    for image in images:
        size = image.size_bytes / _MEBIBYTE
        short = image.digest.removeprefix("sha256:")[:16]
        click.echo(f"{short}  {size:6.0f} MiB  kernel {image.kernel_release}")
    if not images:
        click.echo("no image; make one with `tare image build`", err=True)
    return ExitCode.OK


@command.command("verify")
@click.argument("digest")
def verify(digest: str) -> int:
    """Tell whether the image whose digest begins with DIGEST is still what it was."""
    from benchmarks.image import store

    image = store.find(digest)
    store.verify(image)
    click.echo(f"{image.digest} is unchanged")
    return ExitCode.OK


@command.command("rm")
@click.argument("digest")
def remove(digest: str) -> int:
    """Remove the image whose digest begins with DIGEST."""
    from benchmarks.image import store

    store.remove(digest)
    return ExitCode.OK
