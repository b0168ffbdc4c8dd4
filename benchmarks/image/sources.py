"""The host's own package sources, in the form a build can use.

Reads both formats apt reads (sources.list(5)): one-line `.list` and deb822 `.sources`. Only the
distribution's own suite, updates and security archives are taken: a third party's archive would
make the image depend on who built it. Told apart by the key: third parties name their own, the
distribution names its archive keyring or, in older files, none. Sources on the host's disk
(`file:`, `cdrom:`, `copy:`) are left out because other hosts do not have them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.image.errors import NoSourcesError

_LOCAL = ("file:", "cdrom:", "copy:")
_COMPONENTS = frozenset({"main", "universe"})
_POCKETS = ("", "-updates", "-security")


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
    fields: dict[str, str] = {}
    path = etc / "os-release"
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            key, mark, value = line.partition("=")
            if mark:
                fields[key] = value.strip().strip("\"'")
    return Host(id=fields.get("ID", ""), codename=fields.get("VERSION_CODENAME", ""))


def read_sources(host: Host, etc: Path = Path("/etc")) -> tuple[Source, ...]:
    """Read the archives of the host's own distribution that a build elsewhere could reach, too.

    Raises:
        NoSourcesError: none are left.
    """
    found: list[Source] = []
    for path in _files(etc / "apt"):
        text = path.read_text(encoding="utf-8", errors="replace")
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        found += parse(text)
    own = [kept for kept in (_narrow(source, host) for source in found) if kept is not None]
    if not own:
        raise NoSourcesError(
            f"no apt source under {etc / 'apt'} names a network mirror of "
            f"{host.id or 'this distribution'} {host.codename}; add one to "
            f"{etc / 'apt' / 'sources.list'} and run apt-get update"
        )
    return tuple(dict.fromkeys(own))


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


def _narrow(source: Source, host: Host) -> Source | None:
    if source.signed_by and not source.trusted and f"{host.id}-archive-" not in source.signed_by:
        return None
    bases = (host.codename, "stable") if host.id == "debian" else (host.codename,)
    wanted = {base + pocket for base in bases if base for pocket in _POCKETS}
    narrowed = Source(
        uris=tuple(uri for uri in source.uris if not uri.startswith(_LOCAL)),
        suites=tuple(suite for suite in source.suites if suite in wanted),
        components=tuple(c for c in source.components if c in _COMPONENTS),
        signed_by=source.signed_by,
        trusted=source.trusted,
    )
    return narrowed if narrowed.uris and narrowed.suites and narrowed.components else None
