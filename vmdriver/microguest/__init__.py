"""Run a loop of machine code, in a guest of a few instructions and on the host's own CPU."""
