"""``peer:nspawn``: systemd-nspawn, with the default profile's isolation as far as it offers it.

Source: systemd-nspawn(1). Used without systemd's manager (``--register=no --keep-unit``), so that
it makes no control group; compare it with ``container:no-cgroup``.
"""

import contextlib
import shutil
import signal
from collections.abc import Iterator

import runtime
from benchmarks.errors import UnsuitableHostError
from benchmarks.host import programs
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes.base import ENVIRONMENT, PAYLOAD, STAMP_DESCRIPTOR, Setting
from benchmarks.sandboxes.external.client import Helper
from benchmarks.sandboxes.external.instance import Started
from benchmarks.sandboxes.external.sandbox import UNLIMITED, ExternalSandbox, Recipe
from benchmarks.sandboxes.processes import GROUPED
from benchmarks.sandboxes.registry import Kind, register
from runtime import Spec
from runtime.spec import capabilities

_RECORDS = "/run/systemd"
"""Where nspawn keeps records on the host; the helper mounts an empty directory there."""


class NspawnSandbox(ExternalSandbox):
    """Starts containers by systemd-nspawn."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Find the program.

        Raises:
            UnsuitableHostError: It is not installed.
        """
        super().__init__(name, setting)
        found = shutil.which("systemd-nspawn")
        if found is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs systemd-nspawn, which is not installed; install the "
                "package systemd-container, or leave the sandbox out",
            )
        self._program = found
        self._spec = runtime.profiles.default(rootfs=self.image_root, args=list(PAYLOAD))
        self.info = SandboxInfo(
            name=name,
            kind="peer",
            profile="default",
            boundaries=("spawned", "main"),
            details={
                "runtime": programs.said(found),
                "program": found,
                "cpuset": list(setting.resources.cpuset),
                "boundaries": "spawned: the nspawn command runs. There is no `ready`: nspawn "
                "does not tell",
                "differs": [
                    "a command of its own for every start; tare asks a process that runs already",
                    "no control group: nothing is limited but the CPUs",
                    "no user namespace: its mapped mounts want a service of systemd",
                    "its own filter of system calls and its own masked paths",
                    "its own process 1 reaps, and a second process of it stays outside",
                    "the payload's first byte goes to standard output: nspawn passes nothing else",
                    "no command can be run in a running instance",
                ],
            },
        )

    def open(self) -> None:
        """Start the helper, and try nspawn once."""
        affinity = self.setting.resources.cpuset
        self._helper = Helper(self._state, affinity=affinity, cover=(_RECORDS,))
        with self.start():
            pass

    def recipe(self, name: str) -> Recipe:
        """Return the nspawn command, which stays as the instance's outer process."""
        payload = [word.replace(f">&{STAMP_DESCRIPTOR}", "") for word in PAYLOAD]
        argv = (self._program, *arguments(self._spec, name), "--", *payload)
        return Recipe(argv, ENVIRONMENT, detached=False, stamp=1)

    @contextlib.contextmanager
    def terminate(self, started: Started) -> Iterator[None]:
        """Ask the payload, nspawn's innermost process, to end; all above it follow."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(started.pidfds[-1], signal.SIGTERM)
        yield None


def arguments(spec: Spec, name: str) -> list[str]:
    """Return nspawn's options for a specification."""
    kept = spec.process.capabilities or ()
    return [
        "--quiet", "--register=no", "--keep-unit", "--pipe", "--as-pid2",
        f"--machine={name.replace('.', '-')}", f"--hostname={spec.hostname or 'tare'}",
        f"--directory={spec.root.path}", "--volatile=overlay", "--private-network",
        "--link-journal=no", "--timezone=off", "--resolv-conf=off", "--no-new-privileges=yes",
        f"--chdir={spec.process.cwd}",
        f"--drop-capability={','.join(each for each in capabilities.ALL if each not in kept)}",
    ]  # fmt: skip


register(
    Kind(
        name="peer",
        title="a container of systemd-nspawn",
        names=("peer:nspawn",),
        open=NspawnSandbox,
        limits=UNLIMITED,
        lacks=dict.fromkeys(GROUPED, UNLIMITED),
    )
)
