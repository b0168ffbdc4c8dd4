"""Programs that cannot outlive the tests: the kernel kills them with us, also after SIGKILL."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.hosts.framework.errors import ToolMissingError

_PACKAGE_OF = {
    "mkfs.ext4": "e2fsprogs",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}


def require(*programs: str) -> None:
    """Check that every program is here.

    Raises:
        ToolMissingError: naming all that are missing and the packages that bring them.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(sorted({_PACKAGE_OF.get(name, name) for name in missing}))
        raise ToolMissingError(
            f"booting a host needs {', '.join(missing)}; install it with apt-get install {packages}"
        )


def owned(*command: str) -> list[str]:
    """Have the kernel kill `command` when the thread that starts it ends (prctl(2))."""
    return ["setpriv", "--pdeathsig", "KILL", "--", *command]


def enclosed(*command: str) -> list[str]:
    """The same, in mount and PID namespaces of its own: what it mounts or starts goes with it."""
    namespaces = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL"]
    return owned("unshare", *namespaces, "--", *command)


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder that is deleted with the context, or when we die: a shell then reads end of file."""
    folder = tempfile.mkdtemp(prefix="tare-host-")
    with subprocess.Popen(
        ["sh", "-c", 'cat >/dev/null; rm -rf -- "$1"', "sh", folder],
        stdin=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C reaches us alone
    ):
        yield Path(folder)
