"""The tree as a read-only block image for the guest."""

from pathlib import Path

from benchmarks.image import tools
from benchmarks.image.tree import EPOCH


def make(root: Path, out: Path, digest: str, *, log: Path) -> None:
    """Write the tree at `root` as an erofs image, byte for byte the same for the same tree.

    Uncompressed: lz4 would save 40 % of the file and undo it on the guest's processor. A first
    read of all shared libraries under software emulation took 1.6 s so, 1.9 s with lz4 and 2.1 s
    with lz4 in 64 KiB clusters (medians of three). Times are those of the files, on which the
    validity of compiled Python files rests.

    Args:
        root: the tree.
        out: the file to write.
        digest: the tree's digest, ``sha256:…``; the file system's UUID is taken from it.
        log: see `tools.run`.

    Raises:
        BuildError: see `tools.run`.
    """
    raw = digest.removeprefix("sha256:")
    uuid = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:32]}"
    # -T sets the image's own time and, unless told otherwise, that of every file
    times = (f"-T{EPOCH}", "--preserve-mtime")
    tools.run(
        "writing the block image",
        ["mkfs.erofs", "--quiet", *times, "-U", uuid, "-L", "tare", str(out), str(root)],
        log=log,
    )
