"""Errors of the VM driver.

    VmError
    ├── GuestBuildError       a kernel or initramfs could not be made
    ├── ConfigError           a configuration that cannot work, found before anything was started
    ├── ConnectError          libvirt could not be opened, or the connection is lost
    ├── StartError            a VM did not reach its payload
    │   ├── RefusedError      QEMU or libvirt refused the domain; their words are in the message
    │   ├── KernelSilentError    no byte came from the kernel (firmware stuck, damaged kernel)
    │   ├── KernelPanicError     the kernel said so on its console
    │   ├── InitMissingError     the kernel ran, our init never did
    │   ├── GuestSetupError      our init said what it could not do (image, module, mount)
    │   ├── PayloadMissingError  the payload's first byte never came
    │   └── QemuDiedError        QEMU ended before the boundary
    ├── AgentMissingError     the guest does not answer on its control port
    ├── CommandTimeoutError   a command ran longer than its limit and was killed
    ├── GuestHungError        the guest neither answers nor ends
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


class KernelSilentError(StartError):
    """The guest kernel wrote nothing in time."""


class KernelPanicError(StartError):
    """The guest kernel panicked."""


class InitMissingError(StartError):
    """The guest kernel ran, but the init of the initramfs never wrote its line."""


class GuestSetupError(StartError):
    """The init of the guest said what it could not do."""


class PayloadMissingError(StartError):
    """The payload's first byte never came."""


class QemuDiedError(StartError):
    """QEMU ended before the boundary that was waited for."""


class AgentMissingError(VmError):
    """The guest does not answer on its control port."""


class CommandTimeoutError(VmError):
    """A command in the guest ran longer than its limit and was killed."""


class GuestHungError(VmError):
    """The guest neither answers nor ends."""


class VmGoneError(VmError):
    """QEMU has ended under a VM that was running."""
