"""Runs a command on an ordinary host: ``python -m tests.hosts.boot [OPTIONS] [COMMAND …]``.

The host is booted as a virtual machine with this checkout, as it stands, in /root/src, set up.
What the command leaves in /root/out is copied to --out. Everything in there is some ten times
slower. The exit status is the command's.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from tests.hosts.framework import kept
from tests.hosts.framework.errors import HostError
from tests.hosts.framework.hosts import HOSTS
from tests.hosts.framework.machine import SOURCE, Machine, booted


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.hosts.boot",
        description="Run a command on an ordinary host, booted as a virtual machine.",
        epilog="hosts: " + "; ".join(f"{host.name}: {host.about}" for host in HOSTS.values()),
    )
    parser.add_argument("--host", choices=sorted(HOSTS), default="debian13")
    parser.add_argument("--list", action="store_true", help="print the names of the hosts")
    parser.add_argument("--out", type=Path, help="copy /root/out there afterwards")
    parser.add_argument(
        "--keep", action="store_true", help="leave the host up until Ctrl-C, for --again"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="run on the host that --keep left up, with the checkout copied anew",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, help="none: a shell")
    return parser.parse_args()


def _command(machine: Machine, words: list[str]) -> int:
    if not words:
        shell = f"cd {SOURCE} && exec bash -l"
        return subprocess.run([*machine.ssh("-t"), shell], check=False).returncode
    text = words[0] if len(words) == 1 else shlex.join(words)
    return subprocess.run(
        [*machine.ssh(), f"mkdir -p /root/out && cd {SOURCE} && {text}"],
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


def main() -> int:
    """Boot, run, fetch."""
    asked = _parse()
    if asked.list:
        print(*HOSTS, sep="\n")
        return 0

    def progress(text: str) -> None:
        print(f"host: {text}", file=sys.stderr, flush=True)

    try:
        if asked.again:
            machine = kept.find(asked.host)
            machine.put_checkout()
            return _run(machine, asked)
        with booted(HOSTS[asked.host], progress) as machine:
            status = _run(machine, asked)
            if asked.keep:
                with kept.offered(machine):
                    progress(f"up until Ctrl-C: {' '.join(machine.ssh())}")
                    kept.wait()
            return status
    except HostError as error:
        print(f"host: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(machine: Machine, asked: argparse.Namespace) -> int:
    if not asked.command and asked.keep:
        return 0
    status = _command(machine, asked.command)
    if asked.out is not None:
        machine.fetch("/root/out", asked.out)
    return status


if __name__ == "__main__":
    sys.exit(main())
