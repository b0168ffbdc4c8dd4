"""Running the programs a build calls: enclosed, logged, and told apart when they fail."""

import errno
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.image.errors import (
    BuildError,
    DiskFullError,
    MirrorMissingError,
    MissingToolError,
    NetworkDownError,
    ToolFailedError,
)

PACKAGE_OF = {
    "apt-cache": "apt",
    "apt-config": "apt",
    "apt-get": "apt",
    "chroot": "coreutils",
    "cp": "coreutils",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "mkfs.erofs": "erofs-utils",
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
"""The Debian package that brings each program."""

_BRING = "bring an image from another host: tare image export there, tare image import here"

_ENCLOSED = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--pid", "--mount", "--propagation", "unchanged"),
    *("--fork", "--kill-child=KILL", "--"),
    # In a chroot "/" is no mount point and has no propagation to change: unshare(1) would fail.
    *("sh", "-c", 'mount --make-rslave / 2>/dev/null; exec "$@"', "sh"),
)

# apt and dpkg speak English under LC_ALL=C; the first pattern that matches anywhere decides.
_CAUSES: tuple[tuple[type[BuildError], re.Pattern[str], str], ...] = (
    (
        ToolFailedError,
        re.compile(r"unshare failed: operation not permitted", re.IGNORECASE),
        "this root may make no namespaces, as in most containers; give it CAP_SYS_ADMIN",
    ),
    (
        DiskFullError,
        re.compile(
            r"no space left on device|not enough free space|write failed.*full", re.IGNORECASE
        ),
        "the disk is full; free at least 1 GiB or point XDG_CACHE_HOME at a larger one",
    ),
    (
        NetworkDownError,
        re.compile(
            r"could not resolve|temporary failure resolving|network is unreachable|"
            r"could not connect|connection (?:refused|timed out|failed)|unable to connect|"
            r"no route to host",
            re.IGNORECASE,
        ),
        f"a package mirror cannot be reached; check network, proxy and /etc/apt, or {_BRING}",
    ),
    (
        MirrorMissingError,
        re.compile(
            r"\b404\b|failed to fetch|does not have a release file|unable to locate package|"
            r"no packages found|has no installation candidate|not found on mirror",
            re.IGNORECASE,
        ),
        "a mirror lacks what was asked for; check the mirrors in /etc/apt, run apt-get update",
    ),
)


def require(*programs: str) -> None:
    """Check that every program is on PATH.

    Raises:
        MissingToolError: naming all that are missing and the packages that bring them.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(sorted({PACKAGE_OF.get(program, program) for program in missing}))
        advice = f"install it with apt-get install {packages}"
        if shutil.which("apt-get") is None:
            advice = f"install {packages}, or {_BRING}"
        raise MissingToolError(f"cannot make an image: {', '.join(missing)} not found; {advice}")


def run(
    step: str,
    command: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run one step of a build and return its standard output.

    The command is a child that cannot outlive the caller: it runs in a PID namespace of its own,
    whose init is killed with the caller even by SIGKILL (PR_SET_PDEATHSIG, prctl(2)), and with
    that init the kernel kills every process in the namespace (pid_namespaces(7)). Its mount
    namespace is its own as well: mmdebstrap makes every mount private, which would cut the host's
    services off from mounts to come.

    Args:
        step: what is being done, in words that complete "image build failed while …".
        command: program and arguments.
        log: standard error, and output after a failure, are appended here.
        env: variables set besides the caller's own.
        cwd: where to run it.

    Raises:
        BuildError: MissingToolError, DiskFullError, NetworkDownError, MirrorMissingError or
            ToolFailedError, each one sentence.
    """
    require(command[0], "setpriv", "unshare")
    with subprocess.Popen(
        [*_ENCLOSED, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C", **(env or {})},
        cwd=cwd,
        start_new_session=True,  # Ctrl-C reaches us alone; we then end the child in order
    ) as child:
        try:
            out, err = child.communicate()
        except BaseException:
            child.kill()
            child.communicate()  # the pipes close when the last process of the namespace is gone
            raise
    _append(log, step, out if child.returncode else "", err)
    if child.returncode:
        raise explain(step, command[0], child.returncode, err + out, log)
    return out


def explain(step: str, program: str, status: int, said: str, log: Path) -> BuildError:
    """Turn a failed program's words into the error to raise; never raises itself."""
    for error, pattern, advice in _CAUSES:
        if pattern.search(said):
            more = _under_sudo() if error is NetworkDownError else ""
            return error(f"image build failed while {step}: {advice}{more} (log: {log})")
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["no output"]
    # apt and dpkg mark errors so; the first is the cause, those after it report the report
    told = next((line for line in lines if line.startswith("E: ")), lines[-1])
    return ToolFailedError(
        f"image build failed while {step}: {program} ended with status {status}: {told} "
        f"(log: {log})"
    )


def _under_sudo() -> str:
    """How to bring a proxy's address along: sudo drops it (sudoers(5), env_reset)."""
    told = any(name.lower().endswith("_proxy") for name in os.environ)
    if "SUDO_USER" not in os.environ or told:
        return ""
    return "; where a proxy is needed, sudo --preserve-env=http_proxy,https_proxy keeps it"


def explain_os_error(step: str, error: OSError) -> BuildError:
    """Turn an operating system error of our own steps into the error to raise."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"image build failed while {step}: the disk is full; free at least 1 GiB or point "
            "XDG_CACHE_HOME at a larger one"
        )
    where = f" on {error.filename}" if error.filename else ""
    return ToolFailedError(f"image build failed while {step}{where}: {error.strerror or error}")


def _append(log: Path, step: str, out: str, err: str) -> None:
    try:
        with log.open("a", encoding="utf-8") as file:
            file.write(f"== {step}\n{err}{out}")
    except OSError:
        # the log explains failures; failing to write it (a full disk) must not hide one
        return
