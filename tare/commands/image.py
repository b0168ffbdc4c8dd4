"""``tare image``: build, import, export, list and remove images."""

from __future__ import annotations

import json
from pathlib import Path

import click

from tare.errors import ExitCode

_MEBIBYTE = 1 << 20


@click.group("image")
def command() -> None:
    """Build, import, export, list and remove the images that every sandbox runs."""


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
        progress=_say,
        source=source,
        refresh=refresh,
    )
    click.echo(built.digest)
    return ExitCode.OK


@command.command("import")
@click.argument("source", metavar="DIR|TAR|OCI-LAYOUT")
@click.option("--name", help="What to call it; by default as the layout or the file is called.")
@click.option(
    "--kernel",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The kernel of its guests; by default the one that comes with it, or the host's own.",
)
@click.option(
    "--modules",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The kernel's lib/modules/RELEASE; by default what the host has of it.",
)
def import_(source: str, *, name: str | None, kernel: Path | None, modules: Path | None) -> int:
    """Take in an image that others made, and print its digest.

    A directory with a root file system or a tar archive of one, an OCI image layout or an archive
    of one (podman save --format oci-archive, tare image export); with skopeo installed also what
    it reads, such as docker://alpine. Nothing is fetched for it but that.
    """
    from benchmarks import image
    from benchmarks.image import own_kernel

    if modules is not None and kernel is None:
        raise click.UsageError("--modules goes with --kernel; name the kernel that they belong to")
    taken = image.import_image(
        source,
        name=name,
        kernel=None if kernel is None else own_kernel.given(kernel, modules),
        progress=_say,
    )
    click.echo(taken.digest)
    return ExitCode.OK


@command.command("export")
@click.argument("ref", metavar="NAME|DIGEST")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def export(ref: str, file: Path) -> int:
    """Write an image and its kernel into FILE, for `tare image import` on another host."""
    from benchmarks import image

    written = image.export(ref, file, progress=_say)
    click.echo(written.digest)
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
                "name": image.manifest.name or None,
                "origin": image.manifest.origin or None,
                "size_bytes": image.size_bytes,
                "kernel_release": None if image.part is None else image.part.manifest.release,
                "kernel_digest": None if image.part is None else image.part.manifest.digest,
                "packages": len(image.packages),
            }
            for image in images
        ]
        click.echo(json.dumps(rows, indent=2))
        return ExitCode.OK
    for image in images:
        size = image.size_bytes / _MEBIBYTE
        short = image.digest.removeprefix("sha256:")[:16]
        kernel = "no kernel" if image.part is None else f"kernel {image.part.manifest.release}"
        named = f"  {image.manifest.name}" if image.manifest.name else ""
        click.echo(f"{short}  {size:6.0f} MiB  {kernel}{named}")
    if not images:
        click.echo("no image; make one with `tare image build` or `tare image import`", err=True)
    return ExitCode.OK


@command.command("verify")
@click.argument("ref", metavar="NAME|DIGEST")
def verify(ref: str) -> int:
    """Tell whether an image, by its name or the beginning of its digest, is still what it was."""
    from benchmarks.image import store

    image = store.find(ref)
    store.verify(image)
    click.echo(f"{image.digest} is unchanged")
    return ExitCode.OK


@command.command("rm")
@click.argument("ref", metavar="NAME|DIGEST")
def remove(ref: str) -> int:
    """Remove an image, by its name or the beginning of its digest."""
    from benchmarks.image import store

    store.remove(ref)
    return ExitCode.OK


def _say(line: str) -> None:
    click.echo(line, err=True)
