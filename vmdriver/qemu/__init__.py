"""Watch QEMU as a process of the host: its ports, its console, its end, what it uses."""
