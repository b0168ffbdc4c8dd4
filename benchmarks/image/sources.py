"""The host's own package sources, in the form a build can use.

Reads both formats apt reads (sources.list(5)): one-line `.list` and deb822 `.sources`. Only the
distribution's own suite, updates and security archives are taken: a third party's archive would
make the image depend on who built it. Told apart by the key: third parties name their own, the
distribution names its archive keyring or, in older files, none. Where no source is signed so, a
company's mirrors are taken, which sign with a key of their own. A host that follows testing or
unstable has its suites by those names. Sources on the host's disk (`file:`, `cdrom:`, `copy:`) are
left out because other hosts do not have them; a list of mirrors (`mirror+file:`) is not on it, only
its addresses are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.image.errors import NoSourcesError

_LOCAL = ("file:", "cdrom:", "copy:")
_COMPONENTS = frozenset({"main", "universe"})
_POCKETS = ("", "-updates", "-security")
_ROLLING = (("testing",), ("unstable", "sid"))
"""Debian's suites without a release, each by all of its names; tried where no other is left."""


@dataclass(frozen=True, slots=True)
class Host:
    """What /etc/os-release says: `id` such as debian, `codename` such as trixie."""

    id: str
    codename: str


@dataclass(frozen=True, slots=True)
class Source:
    """One archive: every mirror, suite and component, and its signing key (a path or a text)."""

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    trusted: bool = False

    def stanza(self) -> str:
        """Write the source in deb822 form."""
        lines = [
            "Types: deb",
            f"URIs: {' '.join(self.uris)}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
        ]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.trusted:
            lines.append("Trusted: yes")
        return "\n".join(lines) + "\n"


def read_host(etc: Path = Path("/etc")) -> Host:
    """Read the distribution and its codename; both empty where os-release does not say."""
    path = etc / "os-release"
    return parse_release(_read(path) if path.exists() else "")


def parse_release(text: str) -> Host:
    """Read what an os-release file says (os-release(5))."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        key, mark, value = line.partition("=")
        if mark:
            fields[key] = value.strip().strip("\"'")
    return Host(id=fields.get("ID", ""), codename=fields.get("VERSION_CODENAME", ""))


def read_sources(host: Host, etc: Path = Path("/etc")) -> tuple[Source, ...]:
    """Read the archives of the host's own distribution that a build elsewhere could reach, too.

    Raises:
        NoSourcesError: none are left, or a file of them cannot be read.
    """
    found: list[Source] = []
    for path in _files(etc / "apt"):
        text = _read(path)
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        found += parse(text)
    own = _chosen(found, host)
    if not own:
        if not (etc / "apt").is_dir():
            raise NoSourcesError(
                f"{host.id or 'this host'} has no apt to make an image with; bring one from "
                "another host: tare image export there, tare image import here, then name it with "
                "--image"
            )
        raise NoSourcesError(
            f"no apt source under {etc / 'apt'} names a network mirror of "
            f"{host.id or 'this distribution'} {host.codename}; add one to "
            f"{etc / 'apt' / 'sources.list'} and run apt-get update"
        )
    return tuple(dict.fromkeys(own))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise NoSourcesError(f"cannot read {path}: {error.strerror}; run tare as root") from error


def _files(apt: Path) -> Iterator[Path]:
    if (apt / "sources.list").is_file():
        yield apt / "sources.list"
    parts = apt / "sources.list.d"
    if parts.is_dir():
        yield from sorted(p for p in parts.iterdir() if p.suffix in (".list", ".sources"))


def parse_one_line(text: str) -> list[Source]:
    """Parse the one-line format: ``deb [option=value …] uri suite component …``."""
    return [
        source
        for line in text.splitlines()
        if (source := _one_line(line.partition("#")[0].strip())) is not None
    ]


def _one_line(line: str) -> Source | None:
    kind, _, rest = line.partition(" ")
    if kind != "deb":
        return None
    rest = rest.strip()
    options: dict[str, str] = {}
    if rest.startswith("["):
        inside, _, rest = rest[1:].partition("]")
        options = {k.lower(): v for k, _, v in (word.partition("=") for word in inside.split())}
    words = rest.split()
    if len(words) < 3:  # noqa: PLR2004  # uri, suite, one component; a flat archive has none and is not ours
        return None
    return Source(
        uris=(words[0],),
        suites=(words[1],),
        components=tuple(words[2:]),
        signed_by=options.get("signed-by", ""),
        trusted=options.get("trusted", "") == "yes",
    )


def parse_deb822(text: str) -> list[Source]:
    """Parse the deb822 format: stanzas of ``Field: value``, continued by indented lines."""
    return [
        Source(
            uris=tuple(fields["uris"].split()),
            suites=tuple(fields["suites"].split()),
            components=tuple(fields.get("components", "").split()),
            signed_by=fields.get("signed-by", ""),
            trusted=fields.get("trusted", "") == "yes",
        )
        for fields in _stanzas(text.splitlines())
        if "deb" in fields.get("types", "").split()
        and fields.get("enabled", "yes") != "no"
        and {"uris", "suites"} <= fields.keys()
    ]


def _stanzas(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    fields: dict[str, str] = {}
    last = ""
    for line in (*lines, ""):
        if line.startswith("#"):
            continue
        if not line.strip():
            if fields:
                yield fields
            fields, last = {}, ""
        elif line[0].isspace() and last:
            # an inlined key; its own empty lines are written as " ."
            fields[last] += "\n" + line.rstrip()
        else:
            name, _, value = line.partition(":")
            last = name.strip().lower()
            fields[last] = value.strip()


def _chosen(found: Iterable[Source], host: Host) -> list[Source]:
    """Take the sources of the first kind that there are any of; see the module."""
    usable = [*found]
    signed = [source for source in usable if _is_distributions(source, host)]
    suites: list[tuple[str, ...]] = [(host.codename,)]
    if host.id == "debian":
        suites = [(host.codename, "stable"), *_ROLLING]
    for bases in suites:
        for sources in (signed, usable):
            own = [kept for source in sources if (kept := _narrow(source, bases)) is not None]
            if own:
                return own
    return []


def _is_distributions(source: Source, host: Host) -> bool:
    """Is it signed by the distribution, as far as the host says who signed it?"""
    return not source.signed_by or source.trusted or f"{host.id}-archive-" in source.signed_by


def _narrow(source: Source, bases: Iterable[str]) -> Source | None:
    wanted = {base + pocket for base in bases if base for pocket in _POCKETS}
    narrowed = Source(
        uris=tuple(uri for uri in source.uris if not uri.startswith(_LOCAL)),
        suites=tuple(suite for suite in source.suites if suite in wanted),
        components=tuple(c for c in source.components if c in _COMPONENTS),
        signed_by=source.signed_by,
        trusted=source.trusted,
    )
    return narrowed if narrowed.uris and narrowed.suites and narrowed.components else None
