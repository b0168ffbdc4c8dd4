"""libvirt/QEMU driver; imports nothing else of the project."""
