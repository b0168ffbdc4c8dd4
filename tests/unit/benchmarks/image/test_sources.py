"""Which of a host's package sources a build takes."""

from pathlib import Path

import pytest

from benchmarks.image.errors import NoSourcesError
from benchmarks.image.sources import Host, parse_deb822, read_host, read_sources

TRIXIE = Host("debian", "trixie")

DEBIAN = """\
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: trixie trixie-updates trixie-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

# the security archive
Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def etc_with(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "apt" / "sources.list.d"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return tmp_path


def test_own_archives_are_taken_without_backports_and_contrib(tmp_path: Path) -> None:
    main, security = read_sources(TRIXIE, etc_with(tmp_path, debian__sources=DEBIAN))
    assert main.suites == ("trixie", "trixie-updates")
    assert main.components == ("main",)
    assert security.uris == ("http://mirror.example/debian-security",)
    assert parse_deb822(main.stanza()) == [main]


def test_sources_on_disk_and_of_third_parties_are_left_out(tmp_path: Path) -> None:
    etc = etc_with(
        tmp_path,
        debian__sources=DEBIAN,
        disk__list="deb [trusted=yes] file:/srv/packages trixie main\n",
        vpn__list="deb [signed-by=/usr/share/keyrings/vpn.gpg] https://vpn.example trixie main\n",
        off__sources=DEBIAN.replace("mirror.example", "off.example").replace(
            "Types:", "Enabled: no\nTypes:"
        ),
    )
    uris = {uri for source in read_sources(TRIXIE, etc) for uri in source.uris}
    assert uris == {"http://mirror.example/debian", "http://mirror.example/debian-security"}


def test_one_line_format_is_read(tmp_path: Path) -> None:
    (tmp_path / "apt").mkdir()
    (tmp_path / "apt" / "sources.list").write_text(
        "# deb cdrom:[Debian] trixie main\n"
        "deb [arch=amd64 signed-by=/usr/share/keyrings/ubuntu-archive-keyring.gpg] "
        "http://archive.ubuntu.com/ubuntu noble main universe # mirror\n"
        "deb-src http://archive.ubuntu.com/ubuntu noble main\n",
        encoding="utf-8",
    )
    (source,) = read_sources(Host("ubuntu", "noble"), tmp_path)
    assert source.components == ("main", "universe")
    assert source.signed_by == "/usr/share/keyrings/ubuntu-archive-keyring.gpg"


def test_inlined_keys_survive(tmp_path: Path) -> None:
    key = "\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n debian-archive-key\n"
    text = DEBIAN.split("\n\n", maxsplit=1)[0].rpartition("Signed-By:")[0] + "Signed-By:" + key
    (source,) = read_sources(TRIXIE, etc_with(tmp_path, debian__sources=text))
    assert "\n .\n debian-archive-key" in source.stanza()
    assert parse_deb822(source.stanza()) == [source]


def test_no_usable_source_is_one_sentence(tmp_path: Path) -> None:
    etc = etc_with(tmp_path, disk__list="deb file:/srv/packages trixie main\n")
    with pytest.raises(NoSourcesError, match=r"names a network mirror of debian trixie; add one"):
        read_sources(TRIXIE, etc)


def test_a_company_s_mirrors_are_taken_with_their_key(tmp_path: Path) -> None:
    """Both formats; the key goes to mmdebstrap as the source names it."""
    key = "/etc/apt/keyrings/company.gpg"
    ours = DEBIAN.replace("/usr/share/keyrings/debian-archive-keyring.gpg", key)
    line = f"deb [signed-by={key}] http://mirror.company/debian trixie-updates main\n"
    etc = etc_with(tmp_path, debian__sources=ours, more__list=line)
    sources = read_sources(TRIXIE, etc)
    assert len(sources) == 3
    assert all(f"Signed-By: {key}\n" in source.stanza() for source in sources)


def test_a_list_of_mirrors_stays_one(tmp_path: Path) -> None:
    listed = DEBIAN.replace("http://mirror.example/debian", "mirror+file:/etc/apt/mirrors.list")
    main, _ = read_sources(TRIXIE, etc_with(tmp_path, debian__sources=listed))
    assert main.uris == ("mirror+file:/etc/apt/mirrors.list",)


@pytest.mark.parametrize(
    ("suites", "taken"),
    [("sid", ("sid",)), ("unstable", ("unstable",)), ("testing testing-updates", None)],
)
def test_hosts_without_a_release(
    tmp_path: Path, suites: str, taken: tuple[str, ...] | None
) -> None:
    text = DEBIAN.split("\n\n", maxsplit=1)[0].replace(
        "trixie trixie-updates trixie-backports", suites
    )
    (source,) = read_sources(Host("debian", "forky"), etc_with(tmp_path, debian__sources=text))
    assert source.suites == (taken or tuple(suites.split()))


def test_a_release_s_own_suites_go_before_those_without_one(tmp_path: Path) -> None:
    both = f"{DEBIAN}\n{DEBIAN.replace('trixie', 'sid')}"
    sources = read_sources(TRIXIE, etc_with(tmp_path, debian__sources=both))
    assert {suite for source in sources for suite in source.suites} == {
        "trixie",
        "trixie-updates",
        "trixie-security",
    }


def test_a_host_without_apt_hears_of_importing(tmp_path: Path) -> None:
    with pytest.raises(NoSourcesError, match=r"fedora has no apt .* tare image import here"):
        read_sources(Host("fedora", ""), tmp_path)


def test_host_is_read_from_os_release(tmp_path: Path) -> None:
    (tmp_path / "os-release").write_text('ID=ubuntu\nVERSION_CODENAME="noble"\n', encoding="utf-8")
    assert read_host(tmp_path) == Host("ubuntu", "noble")
    assert read_host(tmp_path / "nowhere") == Host("", "")
