"""``peer:bwrap``: bubblewrap, with the default profile's isolation as far as it offers it.

Source: bwrap(1). It knows no control groups; compare it with ``container:no-cgroup``.
"""

import shutil
from pathlib import Path

import runtime
from benchmarks.errors import UnsuitableHostError
from benchmarks.host import programs
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes.base import ENVIRONMENT, PAYLOAD, Setting
from benchmarks.sandboxes.external.client import Helper
from benchmarks.sandboxes.external.oci_bundle import expand
from benchmarks.sandboxes.external.sandbox import UNLIMITED, ExternalSandbox, Recipe
from benchmarks.sandboxes.processes import GROUPED
from benchmarks.sandboxes.registry import Kind, register
from runtime import Spec, seccomp

_FILTER = 4
"""Descriptor on which bubblewrap reads the filter."""


class BwrapSandbox(ExternalSandbox):
    """Starts sandboxes by bubblewrap."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Find the program.

        Raises:
            UnsuitableHostError: It is not installed.
        """
        super().__init__(name, setting)
        found = shutil.which("bwrap")
        if found is None:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs bubblewrap, which is not installed; install the "
                "package bubblewrap, or leave the sandbox out",
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
                "boundaries": "spawned: the bwrap command runs. There is no `ready`: bubblewrap "
                "does not tell",
                "differs": [
                    "a command of its own for every start; tare asks a process that runs already",
                    "no control group: nothing is limited but the CPUs",
                    "its user namespace maps one id, and that to the host's root",
                    "/sys is the host's, read-only: bubblewrap mounts no sysfs",
                    "its own process 1 reaps, and a second process of it stays outside",
                    "no command can be run in a running instance",
                    "its workload is not asked to stop: bubblewrap ends at once, and it with it",
                ],
            },
        )

    def open(self) -> None:
        """Start the helper, and try bubblewrap once."""
        self._helper = Helper(self._state, affinity=self.setting.resources.cpuset)
        assert self._spec.linux.seccomp is not None
        self._filter = seccomp.compile_profile(self._spec.linux.seccomp)
        self._argv = (self._program, *arguments(self._spec, self.image_root), "--", *PAYLOAD)
        with self.start():
            pass

    def recipe(self, name: str) -> Recipe:
        """Return the bwrap command, which stays as the instance's outer process."""
        del name
        return Recipe(self._argv, ENVIRONMENT, detached=False, inputs={_FILTER: self._filter})


def arguments(spec: Spec, root: Path) -> list[str]:
    """Return bubblewrap's options for a specification."""
    argv = [
        "--unshare-user", "--uid", "0", "--gid", "0",
        "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup",
        "--hostname", spec.hostname or "tare",
        "--die-with-parent", "--new-session",
        "--overlay-src", str(root), "--tmp-overlay", "/",
        "--proc", "/proc", "--ro-bind", "/sys", "/sys",
        "--dev", "/dev", "--mqueue", "/dev/mqueue",
        "--chdir", spec.process.cwd, "--cap-drop", "ALL",
        "--seccomp", str(_FILTER),
    ]  # fmt: skip
    for capability in spec.process.capabilities or ():
        argv += ["--cap-add", capability]
    for path in spec.linux.readonly_paths:
        argv += ["--ro-bind-try", path, path]
    for path in expand(spec.linux.masked_paths):
        # a look at the host suffices: the container shows the files of the same kernel
        if Path(path).is_dir():
            argv += ["--tmpfs", path, "--remount-ro", path]
        elif Path(path).exists():
            argv += ["--ro-bind", "/dev/null", path]
    return argv


register(
    Kind(
        name="peer",
        title="a sandbox of bubblewrap",
        names=("peer:bwrap",),
        open=BwrapSandbox,
        limits=UNLIMITED,
        lacks=dict.fromkeys(GROUPED, UNLIMITED),
    )
)
