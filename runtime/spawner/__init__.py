"""The process that makes containers: small, single-threaded, started once per engine.

The harness has threads (libvirt's event loop) and must never fork itself, and its memory would
make every fork slow. Nothing here imports more than it must.
"""
