"""Landlock on this kernel, in a process of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runtime import landlock
from runtime.spec import Landlock

if TYPE_CHECKING:
    from benchmarks.image import Image

PROJECT = Path(__file__).parents[3]
#: Restricts itself, then tries what it was told to; prints what each came to.
PROGRAM = """
import errno, json, os, socket, sys
sys.path.insert(0, sys.argv[1])
from runtime import landlock, syscalls
told = json.loads(sys.argv[2])
fs, net, scoped, paths, ports = told["rules"]
rules = landlock.Ruleset(fs, net, scoped, tuple(landlock.PathRule(*p) for p in paths),
                         tuple(landlock.PortRule(*p) for p in ports))
init = os.open(told["init"], os.O_RDONLY) if told["init"] else -1
memory = os.memfd_create("init")
while init >= 0 and (part := os.read(init, 1 << 20)):
    os.write(memory, part)
syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
root = os.open("/", os.O_PATH)
try:
    landlock.apply(rules, root)
except OSError as error:
    sys.exit(f"{error.filename}: {error.strerror}")
def read(path): os.read(os.open(path, os.O_RDONLY), 1)
def write(path): os.write(os.open(path, os.O_WRONLY | os.O_CREAT), b"x")
def execute(path):
    pid = os.fork()
    if pid == 0:
        try: os.execv(path, ["busybox", "true"])
        except OSError as error: os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code: raise OSError(code, "")
def from_memory(path): execute(f"/proc/self/fd/{memory}")
def bind(port): socket.socket().bind(("127.0.0.1", port))
def connect(port): socket.socket().connect(("127.0.0.1", port))
def signal(pid): os.kill(pid, 0)
def abstract(name): socket.socket(socket.AF_UNIX).connect("\\0" + name)
def rename(pair): os.rename(*pair)
def mount(_): syscalls.mount("x", "/tmp", "tmpfs", 0)
found = []
for what, argument in told["tries"]:
    try: globals()[what](argument); found.append("ok")
    except OSError as error: found.append(errno.errorcode[error.errno])
print(json.dumps(found))
"""


def attempt(
    spec: Landlock, *tries: tuple[str, Any], init: str = ""
) -> subprocess.CompletedProcess[str]:
    rules = landlock.ruleset(spec, landlock.abi())
    told = json.dumps({"rules": rules, "tries": tries, "init": init})
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, str(PROJECT), told]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def results(spec: Landlock, *tries: tuple[str, Any], init: str = "") -> list[str]:
    done = attempt(spec, *tries, init=init)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


#: What the interpreter itself needs to go on.
SYSTEM = tuple(
    path
    for path in ("/usr", "/etc", "/proc", "/dev/null", "/root", str(PROJECT))
    if Path(path).exists()
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("readable", "writable", "hidden"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    return tmp_path


def test_paths(tree: Path) -> None:
    spec = Landlock(read=(*SYSTEM, f"{tree}/readable"), write=(f"{tree}/writable",))
    assert results(
        spec,
        ("read", f"{tree}/readable/file"),
        ("write", f"{tree}/readable/file"),
        ("read", f"{tree}/writable/file"),
        ("write", f"{tree}/writable/new"),
        ("read", f"{tree}/hidden/file"),
        ("write", f"{tree}/hidden/new"),
        ("rename", (f"{tree}/writable/file", f"{tree}/readable/file")),
        ("mount", None),
    ) == ["ok", "EACCES", "ok", "ok", "EACCES", "EACCES", "EACCES", "EPERM"]
    assert (tree / "writable/new").read_text() == "x"
    assert (tree / "writable/file").read_text() == "content"


def test_a_single_file(tree: Path) -> None:
    spec = Landlock(read=(*SYSTEM, f"{tree}/hidden/file"), write=(f"{tree}/readable/file",))
    assert results(
        spec,
        ("read", f"{tree}/hidden/file"),
        ("write", f"{tree}/hidden/file"),
        ("write", f"{tree}/readable/file"),
        ("write", f"{tree}/readable/new"),
    ) == ["ok", "EACCES", "ok", "EACCES"]


def test_programs_run_only_from_where_they_may_but_the_init_does(tree: Path, image: Image) -> None:
    busybox = image.root / "usr/bin/busybox"
    program = tree / "hidden/true"
    program.write_bytes(busybox.read_bytes())
    program.chmod(0o755)
    spec = Landlock(read=(*SYSTEM, str(image.root)))
    assert results(
        spec,
        ("execute", str(busybox)),
        ("execute", str(program)),
        ("from_memory", None),
        init=str(busybox),
    ) == ["ok", "EACCES", "ok"]


def test_ports() -> None:
    spec = Landlock(read=SYSTEM, bind_ports=(40_901,), connect_ports=())
    assert results(spec, ("bind", 40_901), ("bind", 40_902), ("connect", 40_901), ("bind", 0)) == [
        "ok",
        "EACCES",
        "EACCES",
        "EACCES",
    ]
    assert results(Landlock(read=SYSTEM), ("bind", 0), ("connect", 1)) == ["ok", "ECONNREFUSED"]


def test_signals_and_abstract_sockets_stay_within() -> None:
    with subprocess.Popen(["sleep", "20"]) as other:
        try:
            tries = (("signal", other.pid), ("abstract", "no one listens"))
            assert results(Landlock(read=SYSTEM), *tries) == ["EPERM", "ECONNREFUSED"]
            open_ = Landlock(read=SYSTEM, scoped=False)
            assert results(open_, *tries) == ["ok", "ECONNREFUSED"]
        finally:
            other.kill()


def test_a_listening_abstract_socket_is_out_of_reach() -> None:
    name = f"landlock-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("\0" + name)
        listening.listen()
        assert results(Landlock(read=SYSTEM), ("abstract", name)) == ["EPERM"]
        assert results(Landlock(read=SYSTEM, scoped=False), ("abstract", name)) == ["ok"]


def test_links_and_missing_paths_are_refused_by_name(tree: Path) -> None:
    (tree / "link").symlink_to("/")
    done = attempt(Landlock(read=SYSTEM, write=(f"{tree}/link",)))
    assert done.returncode == 1
    assert done.stderr.startswith(f"{tree}/link: is behind a symbolic link")
    done = attempt(Landlock(read=(f"{tree}/none",)))
    assert done.stderr.startswith(f"{tree}/none: No such file")
