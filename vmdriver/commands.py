"""What can be had from a guest through its agent."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from vmdriver import clock, files
from vmdriver.agent import Agent, Completed
from vmdriver.clock import ClockOffset
from vmdriver.config import VmConfig
from vmdriver.console import Console
from vmdriver.errors import AgentMissingError, ConfigError, GuestMemoryError
from vmdriver.files import GuestFile
from vmdriver.shellwords import PATH, words

_KILLED = 128 + signal.SIGKILL


class Commands:
    """The commands' part of `vmdriver.Vm`.

    Attributes:
        config: what the VM was made from.
        console: the guest's console, as a file.
        console_state: what the console said.
    """

    config: VmConfig
    console: Path
    console_state: Console
    _agent: Agent

    def exec(
        self,
        args: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        stdin: bytes = b"",
        timeout_s: float | None = None,
    ) -> Completed:
        """Runs a program of the image in the guest and waits for its end.

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
        """Runs one line of shell in the initramfs's busybox: needs nothing of the image.

        Raises:
            VmError: as `exec`.
        """
        if "\n" in script:
            raise ConfigError(f"a script for the guest's own shell is one line, not {script!r}")
        if not self._agent.ready.wait(self.config.deadlines.agent_s):
            raise AgentMissingError(
                f"the guest {self.config.name} does not answer on its control port; "
                f"it last wrote {self.console_state.last_line()!r}, see {self.console}"
            )
        before = len(self.console_state.killed)
        done = self._agent.run(script, stdin, timeout_s)
        killed = self.console_state.killed[before:]
        if killed and done.exit_code == _KILLED:
            raise GuestMemoryError(
                f"the guest {self.config.name} ran out of memory and its kernel killed "
                f"{', '.join(killed)}; give more than {self.config.memory_mib} MiB"
            )
        return done

    def put(
        self, path: str, content: bytes, *, mode: int = 0o644, timeout_s: float | None = None
    ) -> None:
        """Writes a file in the guest, whole or not at all, and checks what arrived.

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
        """Reads a file of the guest and checks what arrived; see `put`. Raises VmError."""
        return files.get(self.run_script, path, timeout_s)

    def clock_offset(self) -> ClockOffset:
        """How far the guest's wall clock is ahead of the host's. Raises VmError."""
        return clock.offset(self.run_script, self.config.deadlines.agent_s)

    def synchronize_clock(self) -> ClockOffset:
        """Sets the guest's wall clock to the host's; what is left of the offset. Raises VmError."""
        return clock.synchronize(self.run_script, self.config.deadlines.agent_s)

    def guest_memory(self) -> dict[str, int]:
        """The guest's ``/proc/meminfo`` in bytes, by the kernel's names (MemTotal, …)."""
        done = self.run_script("cat /proc/meminfo", timeout_s=self.config.deadlines.agent_s)
        memory = {}
        for line in done.stdout.decode().splitlines():
            name, _, value = line.partition(":")
            number, _, unit = value.strip().partition(" ")
            memory[name] = int(number) * (1024 if unit == "kB" else 1)
        return memory
