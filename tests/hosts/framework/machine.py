"""A booted host: QEMU, and a way to run commands on it by SSH.

Whatever it writes to its disk goes to a file that QEMU has already unlinked (``snapshot=on``), so
that a boot leaves the prepared disk as it was and nothing else behind.
"""

import contextlib
import io
import os
import shlex
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.framework import checkout
from tests.hosts.framework.disk import Disk, Progress, cache_folder, prepared
from tests.hosts.framework.errors import BootError, CommandError
from tests.hosts.framework.hosts import Host
from tests.hosts.framework.owned import owned, require, work_folder

SOURCE = "/root/src"
"""Where the checkout stands on a host."""

_BOOT_S = 900  # some 40 s on two free CPUs
_COMMAND_S = 900.0
_REPLACE = f"""cd {SOURCE} &&
find . -path ./.venv -prune -o -type f ! -path '*/__pycache__/*' -print0 | xargs -0r rm -f &&
tar -xf -"""


@dataclass(frozen=True, slots=True)
class Machine:
    """A host that is up.

    Attributes:
        host: what it is.
        port: of its SSH server, on the loopback address.
        key: the private key of its root.
        control: the socket of the SSH connection that commands share.
    """

    host: Host
    port: int
    key: Path
    control: Path

    def ssh(self, *options: str, shared: bool = True) -> list[str]:
        """The beginning of an ssh command line; `shared` goes by the connection that stands."""
        connection = ["-S", str(self.control)] if shared else ["-S", "none"]
        fixed = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
        fixed += ["LogLevel=ERROR", "ConnectTimeout=20", "ServerAliveInterval=30"]
        given = [word for option in fixed for word in ("-o", option)]
        identity = ["-F", "none", "-i", str(self.key), "-p", str(self.port)]
        return ["ssh", *connection, *identity, *given, *options, "root@127.0.0.1"]

    def run(
        self,
        command: str | Sequence[str],
        *,
        check: bool = True,
        timeout: float = _COMMAND_S,
        shared: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command (a shell's text, or words) as root in the checkout.

        Args:
            command: what to run.
            check: whether another status than 0 is an error.
            timeout: seconds; the command is then ended there, too.
            shared: by the connection that stands, or by a login of its own.

        Raises:
            CommandError: it failed, or took too long.
        """
        __tracebackhide__ = True
        text = command if isinstance(command, str) else shlex.join(command)
        limited = f"cd {SOURCE} && exec timeout -k 10 {timeout:.0f} bash -c {shlex.quote(text)}"
        try:
            done = subprocess.run(
                owned(*self.ssh(shared=shared), limited),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout + 60,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandError(f"{text} on {self.host.name} took over {timeout:.0f} s") from error
        if check and done.returncode:
            raise CommandError(
                f"{text}\non {self.host.name} ended with status {done.returncode}:\n"
                f"{done.stdout[-4000:]}{done.stderr[-4000:]}"
            )
        return done

    def put_checkout(self) -> None:
        """Replace the checkout there by this one as it is now; what is built there stays."""
        packed = io.BytesIO()
        checkout.write_tar(packed)
        self.put(_REPLACE, packed.getvalue())

    def put(self, command: str, data: bytes) -> None:
        """Run `command` there with `data` as its standard input.

        Raises:
            CommandError: it failed.
        """
        done = subprocess.run(
            owned(*self.ssh(), command), input=data, capture_output=True, check=False
        )
        if done.returncode:
            raise CommandError(f"{command} failed: {done.stderr.decode(errors='replace')}")

    def fetch(self, folder: str, to: Path) -> None:
        """Copy a folder's content from there into `to`.

        Raises:
            CommandError: there is none, or it cannot be copied.
        """
        to.mkdir(parents=True, exist_ok=True)
        with subprocess.Popen(
            owned(*self.ssh(), f"tar -C {shlex.quote(folder)} -cf - ."), stdout=subprocess.PIPE
        ) as sender:
            unpacked = subprocess.run(
                ["tar", "-C", str(to), "-xf", "-"], stdin=sender.stdout, check=False
            )
        if sender.returncode or unpacked.returncode:
            raise CommandError(f"{folder} could not be copied from {self.host.name} to {to}")


@contextmanager
def booted(host: Host, progress: Progress) -> Iterator[Machine]:
    """Boot a host with this checkout in it; it ends with the context, or with us.

    Raises:
        HostError: one of its kinds, each one sentence.
    """
    require("qemu-system-x86_64", "ssh", "setpriv")
    with (
        prepared(host, progress) as disk,
        work_folder() as work,
        contextlib.ExitStack() as stack,
    ):
        console = work / "console"
        machine = Machine(host, _free_port(), disk.key, work / "ssh")
        progress(f"booting {host.name}")
        began = time.monotonic()
        qemu = subprocess.Popen(
            owned(*_qemu(host, disk, console, machine.port)),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": str(cache_folder())},  # QEMU's snapshot lies there
        )
        stack.callback(_end, qemu)
        _await_login(machine, qemu, console)
        master = subprocess.Popen(
            owned(*machine.ssh("-M", "-N")), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        stack.callback(_end, master)
        _await_connection(machine, master)
        machine.put_checkout()
        progress(f"{host.name} is up after {time.monotonic() - began:.0f} s")
        yield machine


def _qemu(host: Host, disk: Disk, console: Path, port: int) -> list[str]:
    arguments = ("root=/dev/vda", "rw", "console=ttyS0", "quiet", *host.arguments)
    return [
        *("qemu-system-x86_64", "-accel", "tcg,thread=multi,tb-size=1024", "-M", "q35"),
        *("-cpu", host.cpu, "-smp", str(host.cpus), "-m", f"{host.memory_mib}M"),
        *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}"),
        *("-kernel", str(disk.kernel), "-initrd", str(disk.initrd), "-append", " ".join(arguments)),
        *("-drive", f"file={disk.image},if=virtio,format=raw,snapshot=on,cache=unsafe"),
        *("-netdev", f"user,id=net,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", "virtio-net-pci,netdev=net,romfile=", "-device", "virtio-rng-pci"),
        *host.machine,
    ]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await_login(machine: Machine, qemu: subprocess.Popen[bytes], console: Path) -> None:
    until = time.monotonic() + _BOOT_S
    command = owned(*machine.ssh(shared=False), "true")
    while subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False
    ).returncode:
        if qemu.poll() is not None:
            raise BootError(f"QEMU ended with status {qemu.returncode}; {_last(console)}")
        if time.monotonic() > until:
            raise BootError(f"{machine.host.name} let nobody in for {_BOOT_S} s; {_last(console)}")
        time.sleep(0.5)


def _last(console: Path) -> str:
    text = console.read_text(errors="replace") if console.is_file() else ""
    return f"the end of its console: {text[-2000:].strip() or 'nothing'}"


def _await_connection(machine: Machine, master: subprocess.Popen[bytes]) -> None:
    check = owned(*machine.ssh("-O", "check"))
    for _ in range(600):
        if not subprocess.run(check, capture_output=True, check=False).returncode:
            return
        if master.poll() is not None:
            break
        time.sleep(0.1)
    raise BootError(f"no lasting SSH connection to {machine.host.name} could be made")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours; what a host would write on its way down nobody reads."""
    process.kill()
    process.wait()
