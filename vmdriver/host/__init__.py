"""Read of this host what a VM's configuration depends on: CPUs, memory, firmware, KVM."""
