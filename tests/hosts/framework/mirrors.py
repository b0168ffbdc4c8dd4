"""How this machine reaches its package archives, for a host's tree to reach them the same way."""

import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from benchmarks.image.errors import NoSourcesError
from benchmarks.image.sources import Source, read_host, read_sources
from tests.hosts.framework.errors import PreparationError

_APT = re.compile(r"^Acquire::(?:https?::|ftp::|Check-|ForceIPv|Retries)")
_ENVIRONMENT = re.compile(
    r"(?i)^(?:(?:https?|no|all)_proxy|pip_(?:index_url|extra_index_url|trusted_host|cert|proxy|"
    r"default_timeout))$"
)
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def sources(suite: str) -> str:
    """The archives of `suite`, in deb822 form; empty where this machine is no Debian.

    Raises:
        PreparationError: this machine has none of a network's.
    """
    host = read_host()
    if host.id != "debian":
        return ""
    try:
        found = read_sources(host)
    except NoSourcesError as error:
        raise PreparationError(str(error)) from error
    return "\n".join(_of_suite(source, host.codename, suite).stanza() for source in found)


def _of_suite(source: Source, here: str, suite: str) -> Source:
    return replace(source, suites=tuple(s.replace(here, suite) for s in source.suites))


def apt_settings() -> list[str]:
    """Proxies and checks of this machine's apt, as lines of apt.conf(5)."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True)
    return [line for line in dump.stdout.splitlines() if _APT.match(line)]


def environment() -> dict[str, str]:
    """The variables that pip, apt and git take such settings from."""
    return {name: value for name, value in os.environ.items() if _ENVIRONMENT.match(name)}


def carry(tree: Path, suite: str) -> None:
    """Write these settings into a tree: its apt and pip then work as this machine's do."""
    etc = tree / "etc"
    if stanzas := sources(suite):
        (etc / "apt/sources.list").write_text("")
        (etc / "apt/sources.list.d/debian.sources").write_text(stanzas)
    (etc / "apt/apt.conf.d/50mirrors").write_text("\n".join(apt_settings()) + "\n")
    for path in (Path("/etc/apt/auth.conf"), *Path("/etc/apt/auth.conf.d").glob("*.conf")):
        if path.is_file():
            copied = tree / path.relative_to("/")
            copied.parent.mkdir(exist_ok=True)
            shutil.copy(path, copied)
            copied.chmod(0o600)
    for path in (Path("/etc/pip.conf"), _CERTIFICATES, Path("/etc/resolv.conf")):
        if path.is_file():
            copied = tree / path.relative_to("/")
            copied.unlink(missing_ok=True)
            copied.parent.mkdir(parents=True, exist_ok=True)
            copied.write_bytes(path.read_bytes())
