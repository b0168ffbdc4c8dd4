"""Where a helper's control group stands, on directories that pose as a hierarchy of systemd's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.sandboxes.external import group
from benchmarks.sandboxes.external.group import HelperGroup, path_for
from runtime.cgroups import files, home, layout, systemd
from runtime.cgroups.layout import Layout

ALL = "cpuset cpu io memory pids"
NAME = "tare-0123456789ab"


class Host:
    """A hierarchy in which groups get the files that the kernel gives them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.calls: list[str] = []
        self._make(root, ALL)
        (root / "cgroup.subtree_control").write_text("cpu memory pids")
        monkeypatch.setattr(files, "make", self.make)
        monkeypatch.setattr(files, "write", self.write)
        monkeypatch.setattr(files, "remove", lambda path: self.calls.append(f"remove {path}"))
        monkeypatch.setattr(systemd, "start_scope", self.start_scope)
        monkeypatch.setattr(systemd, "manages", lambda: True)
        monkeypatch.setattr(systemd, "is_delegated", lambda folder: folder.endswith("ours.service"))
        monkeypatch.setattr(systemd, "await_end", lambda _: None)
        monkeypatch.setattr(os, "unshare", lambda _: self.calls.append(f"unshare in {self.own}"))
        monkeypatch.setattr(os, "setns", lambda *_: self.calls.append("setns"))
        monkeypatch.setattr(
            layout, "current", lambda: Layout({}, str(self.own), {"unified": str(root)})
        )
        monkeypatch.setattr(
            group.syscalls, "mount", lambda _, path, *__: self.calls.append(f"mount {path}")
        )
        monkeypatch.setattr(
            group.syscalls, "umount", lambda path: self.calls.append(f"umount {path}")
        )
        self.own = root

    def enter(self, path: str) -> None:
        self.own = self.root
        for part in path.split("/"):
            self._make(self.own / part, ALL)
            self.own /= part
        (self.own / "cgroup.procs").write_text(f"{os.getpid()}\n")

    def start_scope(self, unit: str, pid: int, _: str, **__: object) -> str:
        (self.own / "cgroup.procs").write_text("")
        self.enter(f"system.slice/{unit}")
        assert pid == os.getpid()
        return f"/system.slice/{unit}"

    def make(self, path: str) -> None:

        above = Path(path).parent
        self._make(Path(path), (above / "cgroup.subtree_control").read_text())

    def write(self, path: str, text: str) -> None:

        file = Path(path)
        if file.name == "cgroup.procs":
            (self.own / "cgroup.procs").write_text("")
            self.own = file.parent
            file.write_text(text)
        else:
            words = {*file.read_text().split(), *text.replace("+", "").split()}
            file.write_text(" ".join(sorted(words)))
            for below in file.parent.iterdir():
                if below.is_dir():
                    (below / "cgroup.controllers").write_text(" ".join(sorted(words)))

    @staticmethod
    def _make(folder: Path, controllers: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.controllers").write_text(controllers)
        (folder / "cgroup.subtree_control").write_text("")
        (folder / "cgroup.procs").write_text("")
        (folder / "cgroup.type").write_text("domain")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path / "fs", monkeypatch)


@pytest.mark.parametrize(
    ("own", "unit"),
    [
        ("user.slice/session-1.scope", f"system.slice/{NAME}.scope"),
        ("system.slice/ours.service", "system.slice/ours.service"),
    ],
)
def test_runtimes_see_a_group_below_what_is_delegated(host: Host, own: str, unit: str) -> None:
    host.enter(own)
    made = HelperGroup(NAME)
    made.show()
    below = f"{host.root}/{unit}/{NAME}"
    assert made.paths == {"unified": below}
    assert made.containers == f"{below}/view/containers"
    assert host.own == host.root / unit / NAME / "view/helper"
    assert host.calls == [f"unshare in {below}/view", f"mount {host.root}"]
    for folder in ("view", "view/containers"):
        given = (host.root / unit / NAME / folder / "cgroup.subtree_control").read_text()
        assert given.split() == sorted(ALL.split())
    # none of systemd's groups hands anything on for it
    assert (host.root / "cgroup.subtree_control").read_text() == "cpu memory pids"
    for slice_ in ("system.slice", "user.slice"):
        if (host.root / slice_).exists():
            assert (host.root / slice_ / "cgroup.subtree_control").read_text() == ""


def test_it_is_left_before_it_is_removed(host: Host) -> None:
    host.enter("user.slice/session-1.scope")
    made = HelperGroup(NAME)
    made.show()
    host.calls.clear()
    made.close()
    scope = host.root / f"system.slice/{NAME}.scope"
    assert host.own == scope / home.SUPERVISOR
    assert host.calls == [f"umount {host.root}", "setns", f"remove {scope}/{NAME}"]


def test_what_fails_half_way_is_taken_back(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.enter("user.slice/session-1.scope")

    def refuse(_: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "unshare", refuse)
    with pytest.raises(PermissionError):
        HelperGroup(NAME)
    assert host.calls[-1].startswith("remove ")
    assert host.own.name == home.SUPERVISOR


def test_on_v1_the_group_has_the_helpers_name() -> None:
    assert path_for(NAME, unified=False) == f"/{NAME}"
