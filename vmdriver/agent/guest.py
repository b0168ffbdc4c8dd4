"""Own what can be done in a running guest: commands, files, its clock, its memory."""

import re
import signal
from collections.abc import Mapping, Sequence

from vmdriver.agent import clock, files
from vmdriver.agent.clock import ClockOffset
from vmdriver.agent.files import GuestFile
from vmdriver.agent.protocol import Agent, Completed
from vmdriver.agent.shellwords import PATH, words
from vmdriver.config import VmConfig
from vmdriver.errors import AgentMissingError, ConfigError, GuestMemoryError, VmError
from vmdriver.qemu.console import Console

_NUMBER = re.compile(r"[0-9]{1,18}")
_KILLED = 128 + signal.SIGKILL


class Guest:
    """The guest of one VM, reached through its agent."""

    def __init__(self, config: VmConfig, agent: Agent, console: Console) -> None:
        """Knows the guest of ``config`` by ``agent``, and by what it says on its ``console``."""
        self._config = config
        self._agent = agent
        self._console = console

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> Completed:
        """Run a program of the image in the guest and wait for its end.

        Args:
            args: program (looked up in the image's PATH) and arguments.
            env: its environment; PATH is added when it is not given.
            cwd: its working directory.
            stdin: its standard input.
            timeout_s: seconds until it is killed; None waits as long as it takes.

        Raises:
            VmError: CommandTimeoutError, GuestMemoryError, GuestHungError, VmGoneError or
                ConfigError; see `vmdriver.errors`.
        """
        script = words(args, {"PATH": PATH, **(env or {})}, cwd)
        return self.run_script(script, stdin=stdin, timeout_s=timeout_s)

    def run_script(
        self, script: str, *, stdin: bytes = b"", timeout_s: float | None = None
    ) -> Completed:
        """Run one line of shell in the initramfs's busybox: needs nothing of the image.

        Raises:
            VmError: as `exec`.
        """
        if "\n" in script:
            raise ConfigError(f"a script for the guest's own shell is one line, not {script!r}")
        if not self._agent.ready.wait(self._config.deadlines.agent_s):
            raise AgentMissingError(
                f"the guest {self._config.name} does not answer on its control port; "
                f"it last wrote {self._console.last_line()!r}, see {self._console.path}"
            )
        before = len(self._console.killed)
        done = self._agent.run(script, stdin, timeout_s)
        killed = self._console.killed[before:]
        if killed and done.exit_code == _KILLED:
            raise GuestMemoryError(
                f"the guest {self._config.name} ran out of memory and its kernel killed "
                f"{', '.join(killed)}; give more than {self._config.memory_mib} MiB"
            )
        return done

    def put(
        self, path: str, content: bytes, *, mode: int = 0o644, timeout_s: float | None = None
    ) -> None:
        """Write a file in the guest, whole or not at all, and check what arrived.

        Args:
            path: where in the image's tree; its directory must be there.
            content: its bytes.
            mode: its permission bits.
            timeout_s: seconds until it is given up; None waits for as long as the guest is there.

        Raises:
            VmError: the guest cannot write it; or as `exec`.
        """
        files.put(self.run_script, path, content, mode, timeout_s)

    def get(self, path: str, *, timeout_s: float | None = None) -> GuestFile:
        """Read a file of the guest and check what arrived; see `put`. Raises VmError."""
        return files.get(self.run_script, path, timeout_s)

    def clock_offset(self) -> ClockOffset:
        """How far the guest's wall clock is ahead of the host's. Raises VmError."""
        return clock.offset(self.run_script, self._config.deadlines.agent_s)

    def synchronize_clock(self) -> ClockOffset:
        """Set the guest's wall clock to the host's; what is left of the offset. Raises VmError."""
        return clock.synchronize(self.run_script, self._config.deadlines.agent_s)

    def memory(self) -> dict[str, int]:
        """The guest's ``/proc/meminfo`` in bytes, by the kernel's names (MemTotal, …)."""
        done = self.run_script("cat /proc/meminfo", timeout_s=self._config.deadlines.agent_s)
        memory = {}
        for line in done.stdout.decode(errors="replace").splitlines():
            name, _, value = line.partition(":")
            number, _, unit = value.strip().partition(" ")
            if not _NUMBER.fullmatch(number):
                raise VmError(f"the guest {self._config.name} does not tell its memory: {line!r}")
            memory[name] = int(number) * (1024 if unit == "kB" else 1)
        return memory
