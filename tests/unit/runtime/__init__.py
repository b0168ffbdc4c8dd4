"""Unit tests of the runtime: no root, no kernel."""
