"""Container managers, podman and docker: what is the same on both command lines."""
