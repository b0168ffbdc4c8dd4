"""Put files into a guest and get them out, checked by their SHA-256.

Through the agent and the busybox of the initramfs: nothing is asked of the image. What is put is
written beside its place and renamed, so that a file is there whole or as it was.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Protocol

from vmdriver.agent.protocol import Completed
from vmdriver.agent.shellwords import quote
from vmdriver.errors import VmError

_PERMISSIONS = 0o7777
_MODE = re.compile(rb"[0-7]{1,5}")


class RunScript(Protocol):
    """What runs one line of shell in the guest."""

    def __call__(
        self, script: str, *, stdin: bytes = b"", timeout_s: float | None = None
    ) -> Completed:
        """Run it and wait for its end."""


@dataclass(frozen=True)
class GuestFile:
    """A file as it was in the guest.

    Attributes:
        content: its bytes.
        mode: its permission bits, as `os.chmod` takes them.
    """

    content: bytes
    mode: int


def put(run: RunScript, path: str, content: bytes, mode: int, timeout_s: float | None) -> None:
    """Write ``path`` in the guest; what stood there is replaced.

    Raises:
        VmError: the guest cannot write it, or read back other bytes than were sent.
    """
    partial = f"{path}.tare-partial"
    at = quote(partial)
    script = (
        f"umask 077; cat > {at} && sha256sum < {at} && chmod {mode & _PERMISSIONS:o} {at} "
        f"&& mv -f {at} {quote(path)} || {{ rm -f {at}; exit 1; }}"
    )
    done = run(script, stdin=content, timeout_s=timeout_s)
    if done.exit_code != 0:
        raise VmError(f"cannot put {path} into the guest: {_words(done)}")
    _compare(f"{path} put into the guest", content, done.stdout)


def get(run: RunScript, path: str, timeout_s: float | None) -> GuestFile:
    """Read ``path`` in the guest, links followed.

    Raises:
        VmError: it cannot be read, is no regular file, or arrived with other bytes than it had.
    """
    at = quote(path)
    script = (
        f"[ -f {at} ] || {{ echo 'there is no such file' >&2; exit 1; }}; "
        f"cat {at} && stat -L -c %a {at} >&2 && sha256sum < {at} >&2"
    )
    done = run(script, timeout_s=timeout_s)
    if done.exit_code != 0:
        raise VmError(f"cannot get {path} from the guest: {_words(done)}")
    mode, _, digest = done.stderr.partition(b"\n")
    _compare(f"{path} got from the guest", done.stdout, digest)
    if not _MODE.fullmatch(mode):
        raise VmError(f"cannot get {path} from the guest: it says {mode[:40]!r} is its mode")
    return GuestFile(done.stdout, int(mode, 8))


def _compare(what: str, content: bytes, said: bytes) -> None:
    if said.split()[:1] != [hashlib.sha256(content).hexdigest().encode()]:
        raise VmError(f"{what} has other bytes there; did something write to it meanwhile?")


def _words(done: Completed) -> str:
    lines = done.stderr.decode(errors="replace").split("\n")
    return next((line.strip() for line in lines if line.strip()), f"status {done.exit_code}")
