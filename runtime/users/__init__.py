"""Which ids of the host a container has, and what an ordinary user may do."""
