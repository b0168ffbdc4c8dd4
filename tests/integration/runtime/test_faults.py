"""What broke other runtimes, tried on this one: a test for each row of the table of faults.

| fault | tests |
|---|---|
| the runtime overwritten through /proc/self/exe | own_program, init_program; test_controls |
| a leaked descriptor as the working directory | working_directory |
| /proc or /sys replaced by a link | links_for_mounts, attribute |
| mount targets exchanged meanwhile | exchanged |
| release_agent | release_agent, and rows of test_controls |
| masking with a /dev/null that is none | null |
| console | console |
| attribute writes | attribute |
| links in the image's /dev | links_in_dev |
| inheritable and ambient capabilities | capabilities |
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import Mount, SetupError
from runtime.spec import profiles
from tests.integration.runtime.conftest import executed, output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.image import Image
    from runtime import Engine, Spec

PACKAGES = str(Path(__file__).resolve().parents[3])


def running(spec: Spec, *args: str, **changes: object) -> Spec:
    process = replace(spec.process, args=args)
    return replace(spec, process=replace(process, **changes))  # type: ignore[arg-type]


def without_mounts(spec: Spec, *points: str) -> Spec:
    return replace(spec, mounts=tuple(m for m in spec.mounts if m.destination not in points))


#: Keeps a program open beyond the end of the process that ran it, then tries to write to it.
OVERWRITE = """
import os, signal, sys, time
pid = int(sys.argv[1])
fd = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
print(os.readlink(f"/proc/{pid}/exe"))
for moment in ("while it runs", "afterwards"):
    try:
        out = os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)
        os.write(out, b"x")
        print("written", moment)
    except OSError:
        print("refused", moment)
    if pid > 1 and moment == "while it runs":
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
"""
REFUSED = "refused while it runs\nrefused afterwards\n"


def test_the_own_program_as_a_workload_cannot_be_overwritten(engine: Engine, spec: Spec) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with (
        ours,
        theirs,
        engine.run(spec) as container,
        # on a socket it waits for requests, as the one outside does
        container.exec(["/proc/self/exe", "0"], stdio=(theirs.fileno(),) * 3) as process,
    ):
        text = Path(f"/proc/{process.pid}/status").read_text()
        inside = next(line for line in text.splitlines() if line.startswith("NSpid")).split()[-1]
        status, said = executed(container, "python3", "-I", "-c", OVERWRITE, inside)
    assert (status, said) == (0, f"/memfd:executor (deleted)\n{REFUSED}")


def test_the_init_program_cannot_be_overwritten(engine: Engine, spec: Spec) -> None:
    with engine.run(spec) as container:
        status, said = executed(container, "python3", "-I", "-c", OVERWRITE, "1")
    assert (status, said) == (0, f"/memfd:init (deleted)\n{REFUSED}")


@pytest.mark.parametrize("way", ["run", "exec"])
def test_no_descriptor_is_a_working_directory_outside(engine: Engine, spec: Spec, way: str) -> None:
    with engine.run(spec) as container:
        for number in (*range(12), *range(198, 220)):
            cwd = f"/proc/self/fd/{number}"
            try:
                if way == "run":
                    status, said = output(engine, running(spec, "pwd", cwd=cwd))
                    assert (status, said) == (0, "/\n"), number
                else:
                    ours, theirs = os.pipe()
                    with os.fdopen(theirs, "w") as end, os.fdopen(ours) as pipe:
                        container.exec(["pwd"], cwd=cwd, stdio=(0, theirs, theirs)).wait(5)
                        end.close()
                        assert pipe.read() == "/\n", number
            except SetupError as error:
                assert "enter the working directory" in str(error)  # noqa: PT017  # it may pass


@pytest.mark.parametrize("victim", ["proc", "dev", "sys"])
def test_links_for_mounts_are_refused(engine: Engine, tiny: Path, victim: str) -> None:
    (tiny / victim).symlink_to("/bin")
    with pytest.raises(SetupError, match=rf"on /{victim}: /{victim} in the image"):
        engine.run(profiles.default(rootfs=tiny, args=["sh"]))


@pytest.mark.parametrize("what", ["a file of the image", "a link of the image", "a mount"])
def test_an_attribute_is_written_to_nothing_but_proc(
    engine: Engine, tiny: Path, tmp_path: Path, what: str
) -> None:
    aim = tiny / "aim"
    aim.write_text("untouched")
    aim.chmod(0o666)
    (tiny / "proc/self").mkdir(parents=True)
    if what == "a file of the image":
        (tiny / "proc/self/timens_offsets").hardlink_to(aim)
    elif what == "a link of the image":
        (tiny / "proc/self/timens_offsets").symlink_to("/aim")
    spec = without_mounts(profiles.hardened(rootfs=tiny, args=["sh"]), "/proc")
    spec = replace(spec, root=replace(spec.root, upper=None, readonly=False))
    if what == "a mount":
        source = tmp_path / "source"
        (source / "self").mkdir(parents=True)
        (source / "self/timens_offsets").hardlink_to(aim)
        bind = Mount(destination="/proc", type="bind", source=str(source), options=("bind",))
        spec = replace(spec, mounts=(bind, *spec.mounts))
    with pytest.raises(SetupError, match="/proc of the container is something else"):
        engine.run(spec)
    assert aim.read_text() == "untouched"


@pytest.fixture
def exchanging(tmp_path: Path) -> Iterator[Path]:
    """A folder in which "target" is a directory, then a link to the host's, and so on."""
    folder = tmp_path / "volume"
    (folder / "target").mkdir(parents=True)
    (folder / "other").symlink_to(tmp_path / "victim")
    program = (
        "import ctypes, sys; call = ctypes.CDLL(None).renameat2\n"
        "a, b = (f'{sys.argv[1]}/{name}'.encode() for name in ('target', 'other'))\n"
        "while True: call(-100, a, -100, b, 2)"  # RENAME_EXCHANGE
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)]) as swapper:
        yield folder
        swapper.kill()


def test_exchanged_mount_targets_lead_nowhere(
    engine: Engine, spec: Spec, tmp_path: Path, exchanging: Path
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    mine = Mount(destination="/volume/target", type="tmpfs", options=("size=4k",))
    volume = Mount(destination="/volume", type="bind", source=str(exchanging), options=("bind",))
    raced = replace(spec, mounts=(*spec.mounts, volume, mine))
    raced = running(raced, "grep", "-c", "size=4k", "/proc/self/mountinfo", init=False)
    outcomes = []
    end = time.monotonic() + 2
    while time.monotonic() < end or not outcomes:
        try:
            # what is seen from inside was mounted inside, wherever a link has led to there
            outcomes.append(output(engine, raced))
        except SetupError as error:
            assert "on /volume/target" in str(error)  # noqa: PT017  # it may pass
    assert set(outcomes) == {(0, "1\n")}
    assert list(victim.iterdir()) == []


def test_the_release_agent_cannot_be_set(engine: Engine, spec: Spec) -> None:
    options = ("ro", "nosuid", "noexec", "nodev")
    groups = Mount(destination="/sys/fs/cgroup", type="cgroup", options=options)
    program = """
import os
for folder, _, names in os.walk("/sys/fs/cgroup"):
    for name in names:
        try:
            os.close(os.open(f"{folder}/{name}", os.O_WRONLY))
            print("opened", folder, name)
        except OSError:
            pass
try:
    os.mkdir("/sys/fs/cgroup/memory/x")
except OSError:
    print("done")
"""
    mounts = (*without_mounts(spec, "/sys/fs/cgroup").mounts, groups)
    mounted = running(replace(spec, mounts=mounts), "python3", "-I", "-S", "-c", program)
    assert output(engine, mounted) == (0, "done\n")


def test_a_null_device_of_the_image_masks_nothing(engine: Engine, tiny: Path) -> None:
    (tiny / "dev").mkdir()
    (tiny / "dev/null").write_text("shown instead")
    spec = profiles.default(rootfs=tiny, args=["sh"])
    spec = without_mounts(spec, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
    spec = replace(spec, linux=replace(spec.linux, devices=()))
    with pytest.raises(SetupError, match="/dev/null of the container is something else"):
        engine.run(spec)


#: A harness on a host whose null device was exchanged.
EXCHANGED = """
import ctypes, os, sys
from pathlib import Path
from runtime import Engine, SetupError, profiles
libc = ctypes.CDLL(None)
os.unshare(os.CLONE_NEWNS)
assert libc.mount(b"none", b"/", None, 16384 | 1 << 18, None) == 0
Path(sys.argv[1], "wrong").write_text("")
assert libc.mount(os.fsencode(Path(sys.argv[1], "wrong")), b"/dev/null", None, 4096, None) == 0
with Engine(Path(sys.argv[1], "state")) as engine:
    try:
        engine.run(profiles.default(rootfs=Path(sys.argv[2]), args=["sh"]))
    except SetupError as error:
        print(error)
"""


def test_a_null_device_of_the_host_that_is_none_is_refused(tmp_path: Path, tiny: Path) -> None:
    command = [sys.executable, "-c", EXCHANGED, str(tmp_path), str(tiny)]
    done = subprocess.run(
        command, cwd=PACKAGES, capture_output=True, text=True, check=False, stdin=subprocess.PIPE
    )
    assert done.stdout.endswith(": /dev/null of the host is something else: No such device\n")


@pytest.mark.parametrize("own", [True, False], ids=["of its own", "of the image"])
def test_console_goes_where_no_link_leads(
    engine: Engine, tiny: Path, tmp_path: Path, *, own: bool
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tiny / "dev").mkdir()
    for name in ("console", "pts", "ptmx"):
        (tiny / "dev" / name).symlink_to(victim)
    spec = running(profiles.default(rootfs=tiny, args=["sh"]), "tty", terminal=True)
    if own:
        with engine.run(spec) as container:
            assert container.terminal is not None
            assert os.read(container.terminal, 100) == b"/dev/pts/0\r\n"
            assert container.wait(5) == 0
    else:
        spec = without_mounts(spec, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
        with pytest.raises(SetupError):
            engine.run(spec)
    assert victim.read_text() == "untouched"


def test_console_of_something_that_is_no_devpts(engine: Engine, tiny: Path) -> None:
    (tiny / "dev/pts").mkdir(parents=True)
    os.mkfifo(tiny / "dev/pts/ptmx")
    spec = running(profiles.default(rootfs=tiny, args=["sh"]), "tty", terminal=True)
    spec = without_mounts(spec, "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue")
    spec = replace(spec, linux=replace(spec.linux, devices=(), masked_paths=()))
    with pytest.raises(SetupError, match="open a terminal: /dev/pts in the image is no devpts"):
        engine.run(spec)


def test_links_in_dev_are_not_followed(engine: Engine, tiny: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (tiny / "dev").mkdir()
    for name in ("null", "zero", "full", "tty", "fd", "stdin", "stdout", "shm", "mqueue", "core"):
        (tiny / "dev" / name).symlink_to(victim)
    script = "ls /dev; readlink /dev/fd; echo x > /dev/null; cat /dev/null"
    status, said = output(
        engine, running(profiles.default(rootfs=tiny, args=["sh"]), "sh", "-c", script)
    )
    assert status == 0
    assert said.endswith("/proc/self/fd\n")
    assert victim.read_text() == "untouched"
    assert (tiny / "dev/null").is_symlink()


CAPABLE = """
import os, sys
from pathlib import Path
from runtime import Engine, profiles
sets = "grep -E 'Cap(Inh|Amb)' /proc/self/status"
print(Path("/proc/self/status").read_text().split("CapAmb:")[1].split()[0])
with Engine(Path(sys.argv[1])) as engine:
    spec = profiles.default(rootfs=Path(sys.argv[2]), args=["sh", "-c", sets + "; sleep 9"])
    ours, theirs = os.pipe()
    with engine.run(spec, stdio=(0, theirs, 2)) as container, open(ours) as pipe:
        os.close(theirs)
        print(pipe.readline(), pipe.readline(), sep="", end="", flush=True)  # before it is stopped
        with container.exec(["sh", "-c", sets], stdio=(0, 1, 2)) as process:
            process.wait(20)
        container.stop(0.1)
"""


def test_capabilities_of_the_caller_are_not_inherited(tmp_path: Path, image: Image) -> None:
    some = "+chown,+net_raw,+sys_admin"
    command = ["setpriv", f"--inh-caps={some}", f"--ambient-caps={some}", sys.executable, "-c"]
    done = subprocess.run(
        [*command, CAPABLE, str(tmp_path), str(image.root)],
        cwd=PACKAGES, capture_output=True, text=True, check=True,
    )  # fmt: skip
    own, *inside = done.stdout.splitlines()
    assert int(own, 16)
    assert sorted(inside) == [f"Cap{kind}:\t{0:016x}" for kind in ("Amb", "Amb", "Inh", "Inh")]


BOUND_SYSCTL = """
import sys
from dataclasses import replace
from pathlib import Path
from runtime import Engine, SetupError
from runtime.spec import profiles
spec = profiles.docker_like(rootfs=Path(sys.argv[1]), args=["true"])
spec = replace(spec, linux=replace(spec.linux, sysctl={"kernel.msgmax": "42"}))
with Engine(Path(sys.argv[2])) as engine:
    try:
        engine.run(spec).delete()
    except SetupError as error:
        print(error)
"""


def test_a_kernel_parameter_is_written_by_no_mount(tmp_path: Path, image: Image) -> None:
    """What is mounted on the way leads elsewhere, and is of procfs, too."""
    parameters = "/proc/sys/kernel /proc/sys/kernel"
    told = subprocess.run(
        ["unshare", "--mount", "--uts", "sh", "-c",
         f'mount --bind {parameters} && exec "$@"', "sh",
         sys.executable, "-c", BOUND_SYSCTL, str(image.root), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (told.returncode, told.stderr) == (0, "")
    assert "kernel.msgmax to '42': /proc/sys/kernel/msgmax: " in told.stdout
    assert "cross-device" in told.stdout.lower()
