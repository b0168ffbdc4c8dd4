"""Name what can go wrong: the errors of the VM driver.

    VmError
    ├── GuestBuildError       a kernel or initramfs could not be made
    ├── ConfigError           a configuration that cannot work, found before anything was started
    ├── ConnectError          libvirt could not be opened, or the connection is lost
    ├── StartError            a VM did not reach its payload
    │   ├── RefusedError      QEMU or libvirt refused the domain; their words are in the message
    │   ├── QemuStuckError    QEMU stopped answering libvirt and was killed
    │   ├── FirmwareStuckError   the firmware never started the kernel
    │   ├── KernelSilentError    no byte came from the kernel (damaged, or none)
    │   ├── KernelPanicError     the kernel said so on its console
    │   ├── InitMissingError     the kernel ran, our init never did
    │   ├── GuestSetupError      our init said what it could not do (image, module, mount)
    │   ├── AgentMissingError    the guest never spoke on its control port
    │   ├── PayloadMissingError  the payload's first byte never came
    │   └── QemuDiedError        QEMU ended before the boundary
    ├── CommandTimeoutError   a command ran longer than its limit and was killed
    ├── GuestMemoryError      the guest ran out of memory: while it started, or in a command
    ├── GuestHungError        the guest answers no more
    └── VmGoneError           QEMU has ended under a running VM

Every message is one sentence that says what failed, on which path, and what to do.
"""


class VmError(Exception):
    """Base of all errors of the VM driver."""


class GuestBuildError(VmError):
    """A kernel or an initramfs for the guest could not be made."""


class ConfigError(VmError):
    """The configuration cannot work; nothing was started."""


class ConnectError(VmError):
    """Libvirt could not be opened, or its connection is lost."""


class StartError(VmError):
    """A VM did not reach its payload."""


class RefusedError(StartError):
    """QEMU or libvirt refused the domain; the message holds their own words."""


class QemuStuckError(StartError):
    """QEMU stopped answering libvirt and was killed."""


class FirmwareStuckError(StartError):
    """The firmware never started the kernel."""


class KernelSilentError(StartError):
    """The guest kernel wrote nothing in time."""


class KernelPanicError(StartError):
    """The guest kernel panicked."""


class InitMissingError(StartError):
    """The guest kernel ran, but the init of the initramfs never wrote its line."""


class GuestSetupError(StartError):
    """The init of the guest said what it could not do."""


class AgentMissingError(StartError):
    """The guest never spoke on its control port."""


class PayloadMissingError(StartError):
    """The payload's first byte never came."""


class QemuDiedError(StartError):
    """QEMU ended before the boundary that was waited for."""


class CommandTimeoutError(VmError):
    """A command in the guest ran longer than its limit and was killed."""


class GuestMemoryError(VmError):
    """The guest ran out of memory, while it started or in a command."""


class GuestHungError(VmError):
    """The guest answers no more."""


class VmGoneError(VmError):
    """QEMU has ended under a VM that was running."""
