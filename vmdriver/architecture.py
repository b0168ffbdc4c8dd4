"""Which hosts this driver drives VMs on.

The micro-guest of the audit, the kernel's entry and the carrier of output are machine code, and the
profiles are of PCs: all of it is x86-64. arm64, with QEMU's ``virt`` machine, is not done.
"""

import platform


def unsupported() -> str | None:
    """Why no VM can be driven on this host, in words; None where they can."""
    machine = platform.machine()
    return (
        None if machine == "x86_64" else f"VMs are driven on x86-64 only so far, not on {machine}"
    )
