"""The tree of bytes itself: made by mmdebstrap, or copied from a directory."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.image import inside, tools
from benchmarks.image.errors import ToolFailedError
from benchmarks.image.sources import Host, Source

PACKAGES = (
    "busybox-static",
    "coreutils",
    "fio",
    "hpcc",
    "iperf3",
    "iproute2",
    "kmod",
    "mariadb-server-core",
    "openssl",
    "procps",
    "python3-minimal",
    "qemu-guest-agent",
    "redis-server",
    "sockperf",
    "sqlite3",
    "stress-ng",
    "sysbench",
    "util-linux",
    "xz-utils",
)
"""What the workloads and probes call, besides Debian's essential packages."""

LEFT_OUT = (
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    # stress-ng links libEGL, which opens a renderer only when a GPU stressor runs: 200 MB unused
    "/usr/lib/*/libLLVM*",
    "/usr/lib/*/libgallium*",
    "/usr/lib/*/libz3*",
    # hpcc comes with an MPI that can reach GPUs: 90 MB unused
    "/usr/lib/*/libamd_comgr*",
    "/usr/lib/*/libamdhip64*",
)
"""Paths dpkg is told not to unpack (path-exclude, dpkg(1))."""

EPOCH = 1735689600
"""SOURCE_DATE_EPOCH of every build, 2025-01-01: a constant, so that dates the build writes (in
/etc/shadow, for one) are equal on every day."""

_APT_OPTIONS = re.compile(
    r"^Acquire::(?:https?::(?:Proxy|Verify|CA(?:Info|Path)|Crl|Ssl|Issuer)"
    r"|Check-Valid-Until|Check-Date|ForceIPv|Retries)",
    re.IGNORECASE,
)

_ESSENTIAL_HOOK = "printf 'path-exclude=%s\\n' {patterns} >\"$1/etc/dpkg/dpkg.cfg.d/tare\""

_SCRUBBED = (
    # how this host reaches its mirrors is not the image's business
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/*",
    "etc/apt/apt.conf.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
    "etc/dpkg/dpkg.cfg.d/tare",
    # what the essential packages brought before the excludes held
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    # apt's folders belong to _apt or root, depending on what _apt could reach
    "var/cache/apt/*",
    "var/lib/apt/*",
    # holds inode numbers; the linker's cache itself stays
    "var/cache/ldconfig/aux-cache",
    # backups of files whose order of writing varies
    "etc/*-",
    "var/cache/debconf/*-old",
    "var/lib/dpkg/*-old",
    # every sandbox mounts its own
    "dev/*",
    "run/*",
    "tmp/*",
)
"""Patterns of what is deleted from the finished tree."""

_WRITTEN = {
    "etc/hostname": "tare\n",
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 tare\n",
    "etc/resolv.conf": "",
}
"""Files that mmdebstrap copies from the host, as the image has them instead."""


def bootstrap(
    root: Path,
    host: Host,
    sources: Sequence[Source],
    *,
    log: Path,
    variant: str = "essential",
    more: Sequence[str] = (),
) -> None:
    """Make the tree at `root` with mmdebstrap; `root` must not exist.

    Args:
        root: the tree.
        host: whose distribution it is.
        sources: its archives.
        log: see `tools.run`.
        variant: the packages below `PACKAGES`, as mmdebstrap(1) names such sets.
        more: packages besides `PACKAGES`.

    Nothing is mounted for it: maintainer scripts of these packages run without /proc and /sys, and
    a build killed at any moment leaves a plain folder that can be deleted.

    Raises:
        BuildError: see `tools.run`.
    """
    tools.require("mmdebstrap", "apt-get")
    listing = root.with_name("mirrors.sources")
    listing.write_text("\n".join(source.stanza() for source in sources), encoding="utf-8")
    patterns = " ".join(f"'{pattern}'" for pattern in LEFT_OUT)
    skip = "output/dev,chroot/mount"
    if all(source.signed_by for source in sources):
        skip += ",check/signed-by"  # that check needs gpg, and has nothing to add
    tools.run(
        "making the tree",
        [
            "mmdebstrap",
            "--mode=root",
            f"--variant={variant}",
            "--format=directory",
            f"--skip={skip}",
            f"--include={','.join((*PACKAGES, *more))}",
            "--dpkgopt=force-unsafe-io",  # no fsync per file: a torn tree is never renamed in
            *(f"--aptopt={option}" for option in _apt_options(log)),
            f"--essential-hook={_ESSENTIAL_HOOK.format(patterns=patterns)}",
            next((s for source in sources for s in source.suites if "-" not in s), host.codename),
            str(root),
            str(listing),
        ],
        log=log,
        env={"SOURCE_DATE_EPOCH": str(EPOCH)},
    )
    scrub(root)


def scrub(root: Path) -> None:
    """Delete from a fresh tree what belongs to its making, and name the machine `tare`."""
    for pattern in _SCRUBBED:
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    for name, text in _WRITTEN.items():
        path = root / name
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")


def _apt_options(log: Path) -> list[str]:
    """How this host's apt reaches its mirrors; mmdebstrap reads none of the host's apt.conf."""
    dump = tools.run("reading apt's settings", ["apt-config", "dump"], log=log)
    options = [line.rstrip(";") for line in dump.splitlines() if _APT_OPTIONS.match(line)]
    if any(Path("/etc/apt").glob("auth.conf*")):
        options += ['Dir::Etc::netrc "/etc/apt/auth.conf"']
        options += ['Dir::Etc::netrcparts "/etc/apt/auth.conf.d"']
    return options


def copy(source: Path, root: Path, *, log: Path) -> None:
    """Copy the tree at `source`, one file system only, owners and attributes kept.

    Raises:
        ToolFailedError: `source` is not a directory with a root file system in it.
        BuildError: see `tools.run`.
    """
    if not (source / "usr" / "bin").is_dir():
        raise ToolFailedError(
            f"{source} holds no root file system (no usr/bin); name one that does"
        )
    root.mkdir()
    tools.run(
        "copying the tree",
        ["cp", "--archive", "--one-file-system", "--reflink=auto", f"{source}/.", str(root)],
        log=log,
    )


def clamp_times(root: Path, *, newer_than: float) -> None:
    """Give every entry changed since `newer_than` (seconds since the epoch) the time `EPOCH`.

    Packaged files keep theirs, on which the validity of compiled Python files rests; what the
    build itself wrote would otherwise differ from build to build.
    """
    for folder, _, files in os.walk(root, topdown=False):
        for path in (*(os.path.join(folder, name) for name in files), folder):  # noqa: PTH118  # one string, six thousand times
            if os.lstat(path).st_mtime >= newer_than:
                os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)


def measure(root: Path) -> int:
    """Sum of the sizes of the tree's regular files, in bytes; names of one file count once."""
    seen: dict[tuple[int, int], int] = {}
    for folder, _, files in os.walk(root):
        for name in files:
            info = os.lstat(os.path.join(folder, name))  # noqa: PTH118  # as above
            if not os.path.islink(os.path.join(folder, name)):  # noqa: PTH114, PTH118  # as above
                seen[info.st_dev, info.st_ino] = info.st_size
    return sum(seen.values())


def installed(root: Path) -> Mapping[str, str]:
    """Read the tree's packages and versions from dpkg's status file; empty where there is none."""
    packages: dict[str, str] = {}
    for stanza in inside.read(root, "var/lib/dpkg/status").split("\n\n"):
        fields = {
            name: value.strip()
            for name, mark, value in (line.partition(":") for line in stanza.splitlines())
            if mark and not name.startswith(" ")
        }
        if fields.get("Status", "").endswith(" installed"):
            packages[fields["Package"]] = fields["Version"]
    return dict(sorted(packages.items()))
