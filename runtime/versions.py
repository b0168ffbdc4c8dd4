"""Releases of this package and of what it implements; read by commands that have no time."""

from __future__ import annotations

VERSION = "0.1.0"
#: Newest release of the OCI runtime-spec whose fields all have a place here, or are refused.
OCI_VERSION = "1.3.0"
