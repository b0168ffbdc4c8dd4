"""``vm`` and ``vm:VARIANT``: a QEMU guest that boots the same image, through libvirt."""

import copy
import itertools
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

import vmdriver
from benchmarks.errors import MeasurementError, NotSupportedError, UnsuitableHostError
from benchmarks.host import leftovers as audit
from benchmarks.image import Image, NoGuestError
from benchmarks.results.records import SandboxInfo
from benchmarks.sandboxes import limits
from benchmarks.sandboxes.base import PAYLOAD, Endpoint, Setting, Testbed
from benchmarks.sandboxes.registry import Kind, SandboxName, register
from benchmarks.sandboxes.vm import groups as vm_groups
from benchmarks.sandboxes.vm.accelerator import choose
from benchmarks.sandboxes.vm.groups import VmGroups
from benchmarks.sandboxes.vm.instance import ReadyInstance, VmInstance
from benchmarks.sandboxes.vm.variants import RESTORED, VARIANTS, files, find
from runtime.harness import Group
from vmdriver.harness import kernel_command_line, libvirt_settings


class VmSandbox:
    """Starts guests of one variant under the accelerator that the audit admits."""

    def __init__(self, name: str, setting: Setting) -> None:
        """Audit the accelerators.

        Raises:
            UnsuitableHostError: No image with a kernel, or no QEMU that can run a guest.
        """
        if os.geteuid() != 0:
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs root for libvirt's own driver; run tare as root",
            )
        if not isinstance(setting.image, Image):
            raise UnsuitableHostError(
                f"the sandbox {name!r} needs an image with a kernel; "
                "make one with `tare image build`",
            )
        try:
            setting.image.check_guest()
        except NoGuestError as error:
            raise UnsuitableHostError(
                f"the sandbox {name!r} cannot be had with this image: {error}",
            ) from error
        self._image = setting.image
        self._setting = setting
        self._name = name
        self._kind = SandboxName.parse(name).variant or "tuned"
        self._variant = find(self._kind)
        self._numbers = itertools.count()
        self._kept: set[str] = set()
        self._state = setting.state / name.replace(":", ".")
        self._groups = VmGroups(self._state, setting.resources.cpus)
        self._accelerator = choose()
        self._info = SandboxInfo(
            name=name,
            kind="vm",
            profile=self._kind,
            admissible_cpu=self._accelerator.accelerates,
            accelerator=self._accelerator.name,
            boundaries=self._variant.boundaries,
            caveats=self._accelerator.caveats,
        )

    @property
    def info(self) -> SandboxInfo:
        """What the run folder says of it."""
        return self._info

    def start(self) -> VmInstance:
        """Start one and wait for its workload's first instruction."""
        return self._start(None)

    @contextmanager
    def networked(self, testbed: Testbed) -> Iterator[Endpoint]:
        """Start one whose tap device is a port of the testbed's bridge."""
        if self._setting.libvirt_uri is not None:
            raise NotSupportedError(
                "no network between sandboxes: the daemon at "
                f"{self._setting.libvirt_uri} makes its tap device in another network namespace",
            )
        with testbed.reserved() as place:
            network = vmdriver.Network(
                str(place.address), bridge=testbed.bridge.name, mac=place.mac
            )
            with testbed.entered():  # libvirt makes the tap device where its caller is
                instance = self._start(network)
            with instance:
                yield Endpoint(instance, str(place.address.ip))

    def start_until_ready(self) -> VmInstance:
        """Start one and return when its VMM is ready to boot it."""
        return self._start(None, until_ready=True)

    def _start(self, network: vmdriver.Network | None, *, until_ready: bool = False) -> VmInstance:
        number = next(self._numbers)
        requested = time.monotonic_ns()
        try:
            group = self._groups.create(f"vm-{number}")
        except OSError as error:
            raise MeasurementError(f"cannot limit a VM: {error.strerror}") from error
        config = replace(self._config(number, group), network=network)
        try:
            vm = self._run(config, until_ready=until_ready)
        except BaseException as error:
            vm_groups.remove(group)
            if isinstance(error, vmdriver.VmError):
                timed_out = isinstance(error, _TIMEOUTS)
                words = self._keep_console(str(error), config.name)
                raise MeasurementError(words, timed_out=timed_out) from error
            raise
        instance = (ReadyInstance if until_ready else VmInstance)(vm, requested, group)
        label = self._name.replace(":", ".") + ("-network" if network else "")
        if label not in self._kept:
            try:
                self._keep_configuration(vm, label)
            except OSError as error:
                instance.__exit__(type(error), error, error.__traceback__)
                raise MeasurementError(
                    f"cannot keep the VM's configuration in {self._setting.logs}: {error.strerror}",
                ) from error
        return instance

    def _run(self, config: vmdriver.VmConfig, *, until_ready: bool = False) -> vmdriver.Vm:
        return self._driver.start(config, until_ready=until_ready)

    def _config(self, number: int, group: Group | None) -> vmdriver.VmConfig:
        resources = self._setting.resources
        return vmdriver.VmConfig(
            name=f"tare-{os.getpid()}-{self._kind}-{number}",
            kernel=self._files.kernel,
            initrd=self._files.initrd,
            disk=self._files.disk,
            disk_type=self._files.disk_type,
            vcpus=resources.cpus,
            memory_mib=resources.memory_bytes >> 20,
            accelerator=self._accelerator.name,
            cpu_features_off=self._accelerator.cpu_features_off,
            profile=self._variant.profile,
            cpuset=frozenset(resources.cpuset),
            cgroups=() if group is None else tuple(map(Path, group.paths.values())),
            payload=PAYLOAD,
            deadlines=self._variant.deadlines,
        )

    def _keep_console(self, words: str, name: str) -> str:
        """Copy the console of a VM that did not start to the run's logs, and name it there."""
        console = self._driver.console(name)
        kept = self._setting.logs / f"{name}-console.log"
        try:
            shutil.copyfile(console, kept)
        except OSError:
            return words  # there is none, or the disk is full
        console.unlink(missing_ok=True)
        return words.replace(str(console), str(kept))

    def _keep_configuration(self, vm: vmdriver.Vm, label: str) -> None:
        (self._setting.logs / f"{label}-domain.xml").write_text(vm.domain_xml, encoding="utf-8")
        argv = "\n".join(vm.argv)
        (self._setting.logs / f"{label}-qemu-argv.txt").write_text(f"{argv}\n", encoding="utf-8")
        self._kept.add(label)

    def resized(self, memory_bytes: int) -> Self | None:
        """Return this sandbox with another size of guest RAM."""
        other = copy.copy(self)
        resources = msgspec.structs.replace(self._setting.resources, memory_bytes=memory_bytes)
        other._setting = replace(self._setting, resources=resources)  # noqa: SLF001  # our own
        return other

    def leftovers(self) -> list[str]:
        """Name what is left of guests that should be gone."""
        groups = audit.traces(self._groups.name, self._groups.paths)
        return [*groups, *vmdriver.leftovers(self._state)]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                self._files = files(self._variant, self._image, _print_progress)
                stack.enter_context(self._groups)
                self._driver = stack.enter_context(
                    vmdriver.Driver(self._state, self._setting.libvirt_uri)
                )
                self._prepare()
            except (vmdriver.VmError, OSError) as error:
                raise UnsuitableHostError(
                    f"the sandbox {self._name!r} cannot be had here: {error}",
                ) from error
            self._info = self._described()
            self._stack = stack.pop_all()
        return self

    def _prepare(self) -> None:
        """Make what a variant makes once, before anything is measured."""

    def _described(self) -> SandboxInfo:
        caveats = [*self._info.caveats]
        if self._variant.sentence:
            caveats.append(self._variant.sentence)
        if self._groups.unavailable:
            caveats.append(
                f"Nothing limits or charges QEMU as a whole: {self._groups.unavailable}.",
            )
        config = self._config(0, None)
        profile = config.resolved_profile()
        return msgspec.structs.replace(
            self._info,
            caveats=tuple(caveats),
            details={
                "kernel": self._image.kernel_release,
                "kernel_command_line": kernel_command_line(config),
                "image": self._files.details,
                "profile": asdict(profile),
                "profile_not_as_named": vmdriver.diff(profile, self._variant.profile),
                "limits": self._limits(config),
                "libvirt": self._driver.connection.version,
                "libvirt_uri": self._driver.connection.uri,
                "libvirt_settings": libvirt_settings()
                if self._driver.connection.embedded
                else None,
                # Paid once, when the connection is opened; no start holds any of it.
                "libvirt_probing_s": round(self._driver.connection.probing_s, 3),
                "audit": self._accelerator.audit,
            },
        )

    def _limits(self, config: vmdriver.VmConfig) -> dict[str, object]:
        """Describe the limits of a VM in the words used for a container."""
        grouped = self._groups.unavailable is None
        return {
            "cpuset": sorted(config.cpuset or ()),
            "vcpus": config.vcpus,
            "cpu_quota_cpus": config.vcpus if grouped else None,
            "pids_limit": limits.PIDS_LIMIT if grouped else None,
            "guest_ram_bytes": config.memory_mib << 20,
            "memory_limit_bytes": None,
            "memory": "The guest has its RAM and no more. What QEMU takes beside it is charged to "
            "its group and not limited: a limit of the same size would kill it.",
            "cgroup_holds": "all threads of QEMU, from when it connects its first port",
        }

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


_TIMEOUTS = (
    vmdriver.QemuStuckError,
    vmdriver.FirmwareStuckError,
    vmdriver.KernelSilentError,
    vmdriver.InitMissingError,
    vmdriver.AgentMissingError,
    vmdriver.PayloadMissingError,
)


def _print_progress(words: str) -> None:
    sys.stderr.write(f"{words}\n")


KIND = register(
    Kind(
        name="vm",
        title="a QEMU guest that boots the same image, through libvirt",
        names=("vm", *(f"vm:{variant}" for variant in VARIANTS if variant != RESTORED)),
        open=VmSandbox,
        limits="number of vCPUs, bound to the same CPUs, size of guest RAM, CFS quota and pids "
        "limit of QEMU's own cgroup",
        network="a virtio card whose tap device is a port of the testbed's bridge",
        isolation="machine",
        start_and_stop_s=3.5,
        memory_step_bytes=1 << 20,  # guest RAM comes in whole MiB
        needs=("root", "qemu", "libvirt", "accelerator", "image"),
        suite_rounds=3,
    )
)
