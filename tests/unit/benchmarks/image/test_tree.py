"""What is done to a tree after mmdebstrap made it."""

import os
from pathlib import Path

import pytest

from benchmarks.image import tree

STATUS = """\
Package: sysbench
Status: install ok installed
Version: 1.0.20+ds-7
Description: benchmark
 with a body: of its own

Package: gone
Status: deinstall ok config-files
Version: 1
"""


def test_only_installed_packages_are_reported(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS, encoding="utf-8")
    assert tree.installed(tmp_path) == {"sysbench": "1.0.20+ds-7"}
    assert tree.installed(tmp_path / "var") == {}


def test_scrubbing_takes_the_hosts_traces(tmp_path: Path) -> None:
    for name in ("etc/apt/sources.list.d", "dev", "tmp/x", "usr/share/man/man1"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("etc/apt/sources.list.d/a.sources", "etc/passwd-", "etc/hostname", "dev/null"):
        (tmp_path / name).write_text("secret-host", encoding="utf-8")
    (tmp_path / "etc/resolv.conf").symlink_to("/run/resolv.conf")
    tree.scrub(tmp_path)
    left = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if not p.is_dir()}
    assert left == {"etc/hostname", "etc/hosts", "etc/resolv.conf"}
    assert (tmp_path / "etc/hostname").read_text(encoding="utf-8") == "tare\n"
    assert (tmp_path / "dev").is_dir()
    assert not (tmp_path / "tmp/x").exists()


def test_packaged_files_keep_their_time_and_new_ones_get_the_constant(tmp_path: Path) -> None:
    packaged, written = tmp_path / "packaged.py", tmp_path / "written"
    for path in (packaged, written):
        path.write_text("", encoding="utf-8")
    os.utime(packaged, (1000, 1000))
    (tmp_path / "link").symlink_to("nowhere")
    tree.clamp_times(tmp_path, newer_than=2000)
    assert packaged.stat().st_mtime == 1000
    assert written.stat().st_mtime == tree.EPOCH
    assert (tmp_path / "link").lstat().st_mtime == tree.EPOCH
    assert tmp_path.stat().st_mtime == tree.EPOCH


def test_size_counts_a_file_of_two_names_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to("a")
    assert tree.measure(tmp_path) == 100


def test_how_apt_reaches_its_mirrors_is_brought_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump = """\
Acquire::http::Proxy "http://proxy:3128";
Acquire::http::Proxy::mirror.company "DIRECT";
Acquire::https::CAInfo "/etc/ssl/company.pem";
Acquire::https::SslCert "/etc/ssl/host.pem";
Acquire::http::Proxy-Auto-Detect "/usr/bin/auto-apt-proxy";
APT::Install-Recommends "true";
Acquire::Languages "none";
"""
    monkeypatch.setattr("benchmarks.image.tools.run", lambda *_, **__: dump)
    options = tree._apt_options(tmp_path)
    assert [line + ";" for line in options if "Dir::" not in line] == dump.splitlines()[:5]
