"""tare-oci from outside: a bundle, a life, and what is left after failures."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime.cgroups import layout
from tests.framework.mounted_root import where_needed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image

MAIN = "import sys; from runtime.cli import main; sys.exit(main())"
#: Groups of the host are named after containers, so that two runs of these tests need two names.
C1, C2, NOISY = (f"{name}-{os.getpid()}" for name in ("c1", "c2", "noisy"))
COMMAND = where_needed(sys.executable, "-c", MAIN)


class Oci:
    """The command line with a bundle and a root of its own."""

    def __init__(self, folder: Path) -> None:
        self.bundle = folder / "bundle"
        self.root = folder / "containers"

    def __call__(self, *args: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, "--root", str(self.root), *args],
            input=text, stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=60, cwd=self.bundle,
        )  # fmt: skip

    def quietly(self, *args: str) -> int:
        """As a manager calls create: what the container keeps open is not ours."""
        return subprocess.run(
            [*COMMAND, "--root", str(self.root), *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False, timeout=60, cwd=self.bundle,
        ).returncode  # fmt: skip

    def configure(self, *args: str, **sections: Any) -> None:
        """Write config.json: the template's, with other arguments and sections."""
        path = self.bundle / "config.json"
        path.unlink(missing_ok=True)
        assert self("spec").returncode == 0
        config = json.loads(path.read_text())
        config["root"]["readonly"] = False
        config["process"] |= {"terminal": False, "args": list(args)}
        for name, section in sections.items():
            if isinstance(section, dict):
                config.setdefault(name, {}).update(section)
            else:
                config[name] = section
        path.write_text(json.dumps(config))

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self("state", name).stdout)
        return found

    def until(self, name: str, status: str) -> None:
        deadline = time.monotonic() + 10
        while self.state(name)["status"] != status:
            assert time.monotonic() < deadline, self.state(name)


@pytest.fixture
def oci(image: Image, tmp_path: Path) -> Iterator[Oci]:
    found = Oci(tmp_path)
    binaries = found.bundle / "rootfs/bin"
    binaries.mkdir(parents=True)
    shutil.copy(image.root / "bin/busybox", binaries / "busybox")
    for name in ("sh", "id", "cat", "sleep", "echo", "stty", "hostname", "ls"):
        (binaries / name).symlink_to("busybox")
    mounts = Path("/proc/self/mountinfo").read_text()
    yield found
    if found.root.is_dir():
        for entry in found.root.iterdir():
            found("delete", "--force", entry.name)
        assert list(found.root.iterdir()) == []
    assert [line for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if line not in mounts and str(tmp_path) in line] == []  # fmt: skip


def groups(name: str) -> list[Path]:
    where = layout.current()
    roots = [where.v2] if where.v2 else list(where.v1.values())
    return [Path(root) / name for root in roots if (Path(root) / name).is_dir()]


def test_run_gives_output_and_status_and_leaves_nothing(oci: Oci) -> None:
    oci.configure("sh", "-c", "id -u; hostname; echo wrong >&2; exit 7", hostname="inside")
    done = oci("run", C1)
    assert (done.returncode, done.stdout, done.stderr) == (7, "0\ninside\n", "wrong\n")
    assert oci("list", "-q").stdout == ""
    assert groups(C1) == []


def test_a_life_from_create_to_delete(oci: Oci) -> None:
    oci.configure("sleep", "100", annotations={"org.example": "kept"})
    pid_file = oci.bundle / "pid"
    assert oci.quietly("create", "--pid-file", str(pid_file), C1) == 0
    state = oci.state(C1)
    assert state["status"] == "created"
    assert state["annotations"] == {"org.example": "kept"}
    assert pid_file.read_text() == str(state["pid"])
    assert oci("start", C1).returncode == 0
    oci.until(C1, "running")
    assert "created" not in oci("start", C1).stderr.partition(",")[0]
    done = oci("exec", "--env", "COLOUR=red", "--cwd", "/bin", C1, "sh", "-c",
               "echo $COLOUR; pwd; exit 5")  # fmt: skip
    assert (done.returncode, done.stdout) == (5, "red\n/bin\n")
    assert json.loads(oci("ps", "--format", "json", C1).stdout) == [state["pid"]]
    assert oci("pause", C1).returncode == 0
    assert oci.state(C1)["status"] == "paused"
    assert oci("resume", C1).returncode == 0
    assert oci("update", "--pids-limit", "33", C1).returncode == 0
    assert oci("update", "--resources", "-", C1, text='{"memory": {"limit": 67108864}}')
    stats = json.loads(oci("events", "--stats", C1).stdout)
    assert stats["data"]["pids"]["limit"] == 33
    refused = oci("delete", C1)
    assert refused.returncode != 0
    assert oci("kill", C1, "KILL").returncode == 0
    oci.until(C1, "stopped")
    late = oci("kill", C1, "TERM")
    assert late.returncode != 0
    assert "not running" in late.stderr
    assert oci("delete", C1).returncode == 0
    assert groups(C1) == []
    gone = oci("state", C1)
    assert gone.returncode == 1
    assert "does not exist" in gone.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"args": ["absent"]}, "not found"),
        ({"cwd": "relative"}, "process.cwd"),
        ({"user": {"uid": 0, "gid": 0, "additionalGids": "x"}}, "process.user.additionalGids"),
    ],
)
def test_a_create_that_fails_says_why_and_leaves_nothing(
    oci: Oci, change: dict[str, Any], said: str
) -> None:
    oci.configure("true", process=change)
    done = oci("create", C1)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert oci("list", "-q").stdout == ""
    assert groups(C1) == []


def test_a_failing_hook_fails_the_create_and_hooks_see_the_state(oci: Oci) -> None:
    seen = oci.bundle / "seen"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >> {seen}"]}
    oci.configure("sleep", "100", hooks={"createRuntime": [hook], "poststop": [hook]})
    assert oci.quietly("create", C1) == 0
    state = json.loads(seen.read_text())
    assert state["id"] == C1
    assert state["pid"] == oci.state(C1)["pid"]
    assert oci("delete", "--force", C1).returncode == 0
    assert seen.read_text().count('"stopped"') == 1
    oci.configure("true", hooks={"createRuntime": [{"path": "/bin/false"}]})
    assert "/bin/false" in oci("create", C2).stderr
    assert oci("list", "-q").stdout == ""


def test_an_attached_terminal_is_one(oci: Oci) -> None:
    oci.configure("sh", "-c", "stty size; test -t 0 && echo terminal")
    path = oci.bundle / "config.json"
    config = json.loads(path.read_text())
    config["process"] |= {"terminal": True}
    path.write_text(json.dumps(config))
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, "--root", str(oci.root), "run", C1],
        stdin=slave, stdout=slave, stderr=slave, cwd=oci.bundle, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):
            while part := os.read(master, 4096):
                text += part
        os.close(master)
        assert process.wait(30) == 0
    assert b"terminal" in text


def test_limits_of_the_bundle_hold(oci: Oci) -> None:
    oci.configure("sleep", "100", linux={"resources": {"pids": {"limit": 21}}})
    assert oci.quietly("create", C1) == 0
    pids = [path / "pids.max" for path in groups(C1) if (path / "pids.max").exists()]
    assert [path.read_text().strip() for path in pids] == ["21"]


def test_a_create_killed_anywhere_is_removed_by_force(oci: Oci) -> None:
    oci.configure("sleep", "100")
    for number in range(8):
        name = f"k{number}-{os.getpid()}"
        process = subprocess.Popen(
            [*COMMAND, "--root", str(oci.root), "create", name],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=oci.bundle,
        )  # fmt: skip
        time.sleep(0.05 + 0.04 * number)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = oci("delete", "--force", name)
        assert done.returncode == 0, done.stderr
        assert groups(name) == []
    assert oci("list", "-q").stdout == ""


def test_many_creates_at_once_do_not_collide(oci: Oci) -> None:
    oci.configure("sleep", "100")
    names = [f"n{number}-{os.getpid()}" for number in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda name: oci.quietly("run", "--detach", name), names)) == {0}
        assert sorted(oci("list", "-q").stdout.split()) == sorted(names)
        gone = pool.map(lambda name: oci("delete", "--force", name).returncode, names)
        assert set(gone) == {0}


def test_an_error_is_one_json_line_in_the_log(oci: Oci) -> None:
    oci.configure("true")
    log = oci.bundle / "log.json"
    done = oci("--log", str(log), "--log-format", "json", "start", "absent")
    assert done.returncode == 1
    line = json.loads(log.read_text())
    assert line["level"] == "error"
    assert "does not exist" in line["msg"]


def test_checkpoints_are_refused_by_their_exit_status(oci: Oci) -> None:
    oci.bundle.mkdir(exist_ok=True)
    assert oci("checkpoint", "--help").returncode != 0
    assert oci("--version").stdout.startswith("tare-oci version ")
    assert "ociVersionMax" in json.loads(oci("features").stdout)


def test_a_container_that_notifies_is_deleted(oci: Oci, tmp_path: Path) -> None:
    """What it put beside the socket kept its directory, and with it the container, for ever."""
    oci.configure("sh", "-c", "echo x > /run/notify/x; mkdir /run/notify/y; ln -s / /run/notify/z")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "manager"))
        env = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "manager")}
        for verb in ("create", "start"):
            subprocess.run(
                [*COMMAND, "--root", str(oci.root), verb, NOISY], env=env, cwd=oci.bundle,
                check=True, timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
    oci.until(NOISY, "stopped")
    told = oci("delete", NOISY)
    assert (told.returncode, told.stderr) == (0, "")
    assert not list(oci.root.iterdir())


def test_options_may_follow_the_name(oci: Oci) -> None:
    oci.configure("sleep", "100")
    assert oci.quietly("run", C1, "--detach") == 0
    done = oci("update", C1, "--pids-limit", "34")
    assert (done.returncode, done.stderr) == (0, "")
    stats = json.loads(oci("events", C1, "--stats").stdout)
    assert stats["data"]["pids"]["limit"] == 34
    assert oci("exec", C1, "ls", "-d", "/bin").stdout == "/bin\n"
    assert oci("delete", C1, "--force").returncode == 0


@pytest.mark.skipif("cpuset" not in layout.current().v1, reason="only v1 has empty cpusets")
def test_cpus_come_through_a_parent_that_has_none(oci: Oci) -> None:
    """What somebody made above the container and left empty took no process: ENOSPC."""
    above = Path(layout.current().v1["cpuset"], f"above-{os.getpid()}")
    (above / "empty").mkdir(parents=True)
    try:
        oci.configure("sleep", "100", linux={"cgroupsPath": f"/{above.name}/empty/inner"})
        assert oci.quietly("run", "--detach", C1) == 0
        done = oci("update", "--cpuset-cpus", "0", C1)
        assert (done.returncode, done.stderr) == (0, "")
        assert os.sched_getaffinity(oci.state(C1)["pid"]) == {0}
        assert oci("delete", "--force", C1).returncode == 0
    finally:
        for folder in (above / "empty/inner", above / "empty", above):
            with contextlib.suppress(FileNotFoundError):
                folder.rmdir()
