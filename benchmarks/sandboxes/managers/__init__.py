"""Container managers, podman and docker: the code that both need."""
