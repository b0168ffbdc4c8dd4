"""The guest's kernel: the distribution's package, downloaded and unpacked, never installed."""

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.image import tools
from benchmarks.image.errors import BuildError, MirrorMissingError
from benchmarks.image.model import modules_folder
from benchmarks.image.sources import Host
from vmdriver import harness

META_PACKAGES = {
    "debian": ("linux-image-cloud-{}", "linux-image-{}"),
    "ubuntu": ("linux-image-kvm", "linux-image-virtual"),
}
"""Per distribution, the packages that stand for "the current kernel", the preferred one first.

``{}`` is the architecture as dpkg calls it; Ubuntu's names say none.
"""

_DEPENDENCY = re.compile(r"^\s*\|?(?:Pre)?Depends: (linux-(?:image|modules)-\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel: `package` and `version` as dpkg names them, `release` as uname does."""

    package: str
    version: str
    release: str


def fetch(folder: Path, host: Host, *, log: Path) -> Kernel:
    """Download the current kernel and unpack it into `folder`.

    Uses the package lists the host has; where they are missing or out of date, fetches fresh ones
    into a folder of its own beside `folder`, so that the host's stay as they are.

    Raises:
        BuildError: see `tools.run`.
    """
    tools.require("apt-get", "apt-cache", "dpkg-deb", "depmod")
    downloads = folder.with_name("kernel-packages")
    downloads.mkdir()
    try:
        _download(downloads, [], host, log)
    except BuildError:
        lists = folder.with_name("apt-lists")
        (lists / "partial").mkdir(parents=True)
        options = ["-o", f"Dir::State::Lists={lists}", "-o", "Dir::Cache::pkgcache="]
        options += ["-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"]
        tools.run("fetching package lists", ["apt-get", *options, "update"], log=log)
        _download(downloads, options, host, log)
    for package in sorted(downloads.glob("*.deb")):
        tools.run("unpacking the kernel", ["dpkg-deb", "-x", str(package), str(folder)], log=log)
    return _describe(folder, downloads, log)


def meta_packages(host: Host) -> tuple[str, ...]:
    """Of `META_PACKAGES`, those of this host's distribution and architecture."""
    names = META_PACKAGES.get(host.id, META_PACKAGES["debian"])
    return tuple(name.format(harness.of(platform.machine()).debian) for name in names)


def _download(downloads: Path, options: Sequence[str], host: Host, log: Path) -> None:
    packages = resolve(options, host, log)
    tools.run(
        "downloading the guest's kernel",
        ["apt-get", *options, "-o", "APT::Sandbox::User=root", "download", *packages],
        log=log,
        cwd=downloads,
    )


def resolve(options: Sequence[str], host: Host, log: Path) -> list[str]:
    """Follow a meta package to the packages that hold the kernel and its modules.

    Raises:
        MirrorMissingError: the host's sources offer none of the known meta packages.
    """
    for meta in meta_packages(host):
        packages: list[str] = []
        pending = [meta]
        while pending:
            command = ["apt-cache", *options, "depends", pending.pop()]
            try:
                shown = tools.run("resolving the guest's kernel", command, log=log)
            except MirrorMissingError:  # this distribution has no package of that name
                continue
            new = [name for name in _DEPENDENCY.findall(shown) if name not in packages]
            packages += new
            pending += new
        if packages:
            return packages
    raise MirrorMissingError(
        f"the apt sources of {host.id or 'this host'} {host.codename} offer no guest kernel "
        f"({' or '.join(meta_packages(host))}); run apt-get update"
    )


def _describe(folder: Path, downloads: Path, log: Path) -> Kernel:
    images = sorted((folder / "boot").glob("vmlinuz-*"))
    if not images:
        raise MirrorMissingError(
            "the downloaded kernel package holds no boot/vmlinuz; report its name"
        )
    release = images[-1].name.removeprefix("vmlinuz-")
    modules = modules_folder(folder, release)
    tools.run(
        "indexing the kernel's modules",
        ["depmod", "-b", str(modules.parents[2]), release],
        log=log,
    )
    package = next(p for p in sorted(downloads.glob("linux-image-*.deb")) if release in p.name)
    name, version = tools.run(
        "reading the kernel's version",
        ["dpkg-deb", "--show", "--showformat=${Package}\n${Version}", str(package)],
        log=log,
    ).split("\n")
    return Kernel(package=name, version=version, release=release)
