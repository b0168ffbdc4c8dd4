"""Integration tests of the runtime: real containers on this kernel."""
