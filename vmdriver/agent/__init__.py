"""Talk to a running guest: the host's half of its control port, and what is done through it."""
