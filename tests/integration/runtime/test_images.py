"""Images made to harm: the container neither gets out nor hangs, and errors are one sentence."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runtime import ContainerError, ExecError, Mount, SetupError
from runtime.spec import profiles
from tests.integration.runtime.conftest import output

if TYPE_CHECKING:
    from collections.abc import Callable

    from runtime import Engine, Spec


def shell(tiny: Path, script: str) -> Spec:
    return profiles.default(rootfs=tiny, args=["sh", "-c", script])


def mounting(spec: Spec, *mounts: Mount) -> Spec:
    return replace(spec, mounts=(*spec.mounts, *mounts))


def tmpfs(destination: str) -> Mount:
    return Mount(destination=destination, type="tmpfs", options=("size=4k",))


def a_file(path: Path) -> None:
    path.write_text("untouched")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        folder = os.open(path.parent, os.O_PATH)
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # the path alone may be too long
        os.close(folder)


def a_device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 11))  # the kernel's log


def a_cycle(path: Path) -> None:
    path.symlink_to(path.name)


IN_THE_WAY: dict[str, Callable[[Path], None]] = {
    "a file": a_file,
    "a pipe": os.mkfifo,
    "a socket": a_socket,
    "a device": a_device,
    "a link in a circle": a_cycle,
}


@pytest.mark.parametrize("what", IN_THE_WAY)
@pytest.mark.parametrize("place", ["proc", "sys", "dev", "there", "above/there"])
def test_what_is_no_directory_is_not_mounted_upon(
    engine: Engine, tiny: Path, what: str, place: str
) -> None:
    (tiny / "above").mkdir()
    IN_THE_WAY[what](tiny / place)
    with pytest.raises(SetupError, match=rf"on /{place}: .*/{place} in the image: "):
        engine.run(mounting(shell(tiny, "true"), tmpfs(f"/{place}")))


@pytest.mark.parametrize("what", IN_THE_WAY)
def test_what_is_no_directory_on_the_way_is_not_entered(
    engine: Engine, tiny: Path, what: str
) -> None:
    IN_THE_WAY[what](tiny / "there")
    with pytest.raises(SetupError, match="on /there/below: "):
        engine.run(mounting(shell(tiny, "true"), tmpfs("/there/below")))


@pytest.mark.parametrize("what", [name for name in IN_THE_WAY if "link" not in name])
def test_a_file_can_be_bound_over_whatever_is_no_directory(
    engine: Engine, tiny: Path, tmp_path: Path, what: str
) -> None:
    IN_THE_WAY[what](tiny / "there")
    (tmp_path / "source").write_text("bound\n")
    bind = Mount(
        destination="/there", type="bind", source=str(tmp_path / "source"), options=("bind",)
    )
    assert output(engine, mounting(shell(tiny, "cat /there"), bind)) == (0, "bound\n")


def test_a_file_is_not_bound_over_a_directory(engine: Engine, tiny: Path, tmp_path: Path) -> None:
    (tiny / "there").mkdir()
    (tmp_path / "source").write_text("bound\n")
    bind = Mount(
        destination="/there", type="bind", source=str(tmp_path / "source"), options=("bind",)
    )
    with pytest.raises(SetupError, match="on /there: "):
        engine.run(mounting(shell(tiny, "true"), bind))


def test_device_files_of_the_image_mean_nothing(engine: Engine, tiny: Path) -> None:
    for name, kind, numbers in (("log", stat.S_IFCHR, (1, 11)), ("disk", stat.S_IFBLK, (254, 0))):
        os.mknod(tiny / name, kind | 0o666, os.makedev(*numbers))
    status, said = output(engine, shell(tiny, "cat /log /disk; ls -l /log /disk"))
    assert status == 0
    assert said.count("Permission denied") == 2


def test_set_user_id_programs_give_nothing(engine: Engine, tiny: Path) -> None:
    (tiny / "bin/id").unlink()
    program = tiny / "bin/id"
    program.write_bytes((tiny / "bin/busybox").read_bytes())
    program.chmod(0o6755)
    spec = shell(tiny, "id -u; grep CapEff /proc/self/status")
    user = replace(spec.process.user, uid=1000, gid=1000)
    spec = replace(spec, process=replace(spec.process, user=user))
    assert output(engine, spec) == (0, "1000\nCapEff:\t0000000000000000\n")


def test_a_set_user_id_program_of_the_image_is_nobodys_on_the_host(
    engine: Engine, tiny: Path
) -> None:
    """Without no_new_privs it makes a root of the container, who is nobody outside."""
    program = tiny / "bin/id"
    program.unlink()
    program.write_bytes((tiny / "bin/busybox").read_bytes())
    program.chmod(0o4755)
    spec = profiles.without(shell(tiny, "id -u; cat /proc/self/uid_map"), "no_new_privs")
    user = replace(spec.process.user, uid=1000, gid=1000)
    status, said = output(engine, replace(spec, process=replace(spec.process, user=user)))
    assert status == 0
    assert said.split()[2] == str(engine.first_id)


#: Makes directories one in the other, deeper than a path can say, or removes them again.
DEEP = """
import os, sys
os.chdir(sys.argv[2])
levels = int(sys.argv[3])
for _ in range(levels):
    if sys.argv[1] == "make":
        os.mkdir("d")
    os.chdir("d")
if sys.argv[1] == "remove":
    for _ in range(levels):
        os.chdir("..")
        os.rmdir("d")
"""


def deep(verb: str, folder: Path, levels: int) -> None:
    command = [sys.executable, "-I", "-S", "-c", DEEP, verb, str(folder), str(levels)]
    subprocess.run(command, check=True)


def test_deep_directories_neither_hinder_a_start_nor_its_end(
    engine: Engine, tiny: Path, spec: Spec
) -> None:
    deep("make", tiny, 10_000)
    assert output(engine, shell(tiny, "echo fine")) == (0, "fine\n")
    args = ("python3", "-I", "-S", "-c", DEEP, "make", "/tmp", "10000")
    made = replace(spec, process=replace(spec.process, args=args))
    assert output(engine, made) == (0, "")  # gone without anybody having descended
    deep("remove", tiny, 10_000)


def test_huge_directories_do_not_hinder_a_start(engine: Engine, tiny: Path) -> None:
    for folder in ("", "etc", "dev"):
        (tiny / folder).mkdir(exist_ok=True)
        for number in range(1000):
            (tiny / folder / f"{number:0200}").touch()
    assert output(engine, shell(tiny, "echo fine")) == (0, "fine\n")


@pytest.mark.parametrize(
    "destination",
    ["/" + "/".join(["a"] * 2040), "/" + "b" * 4000, "/" + "/".join(["c" * 250] * 30)],
    ids=["2040 levels", "a name of 4000 bytes", "a path of 7530 bytes"],
)
def test_mount_targets_too_long_or_deep_are_refused(
    engine: Engine, tiny: Path, destination: str
) -> None:
    try:
        engine.run(mounting(shell(tiny, "true"), tmpfs(destination))).delete()
    except SetupError as error:
        assert "mount a fresh tmpfs on" in str(error)  # noqa: PT017  # a deep one may be made
        assert "was killed" not in str(error)  # noqa: PT017  # likewise


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "ü\u202e", "\udcff\udcfe", "' \\ \""])
def test_names_that_hold_anything(engine: Engine, tiny: Path, name: str) -> None:
    destination = f"/{name}"
    spec = shell(tiny, "grep -c size=4k /proc/self/mountinfo")
    assert output(engine, mounting(spec, tmpfs(destination))) == (0, "1\n")
    (tiny / name).write_text("")
    with pytest.raises(SetupError) as caught:
        engine.run(mounting(spec, tmpfs(destination)))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["x\ny", "/\x1b]0;title\x07"])
def test_programs_of_any_name_are_named_on_one_line(engine: Engine, tiny: Path, name: str) -> None:
    with pytest.raises(ExecError) as caught:
        engine.run(profiles.default(rootfs=tiny, args=[name]))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("what", ["a pipe", "a socket", "a device", "a directory", "no program"])
def test_what_is_no_program_is_not_executed(engine: Engine, tiny: Path, what: str) -> None:
    program = tiny / "bin/program"
    make = {"a directory": Path.mkdir, "no program": Path.touch} | IN_THE_WAY
    make[what](program)
    if what != "no program":
        program.chmod(0o777)
    with pytest.raises(ExecError, match=r"/bin/program.*: Permission denied"):
        engine.run(profiles.default(rootfs=tiny, args=["/bin/program"]))


def test_a_pipe_where_the_workload_reads_is_its_own_affair(engine: Engine, tiny: Path) -> None:
    os.mkfifo(tiny / "pipe")
    with engine.run(shell(tiny, "cat /pipe")) as container:
        assert container.wait(0.2) is None
    assert (tiny / "pipe").is_fifo()


def test_more_mounts_than_a_start_takes_are_refused(engine: Engine, tiny: Path) -> None:
    many = [tmpfs(f"/m{number}") for number in range(1100)]
    with pytest.raises(ContainerError, match=r"the start takes \d+ steps, more than"):
        engine.run(mounting(shell(tiny, "true"), *many))
    assert output(engine, mounting(shell(tiny, "echo fine"), *many[:500])) == (0, "fine\n")


def test_a_copied_up_directory_with_anything_in_it(engine: Engine, tiny: Path) -> None:
    source = tiny / "data"
    source.mkdir()
    for number, make in enumerate(IN_THE_WAY.values()):
        make(source / str(number))
    (source / "away").symlink_to("/etc")
    copied = Mount(destination="/data", type="tmpfs", options=("tmpcopyup",))
    assert output(engine, mounting(shell(tiny, "ls /data; cat /data/0"), copied)) == (
        0,
        "0\n4\naway\nuntouched",
    )
    deep("make", source, 100)
    with pytest.raises(SetupError, match="copy /data up: Too many levels"):
        engine.run(mounting(shell(tiny, "true"), copied))
