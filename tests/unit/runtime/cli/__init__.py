"""The OCI command line, without a kernel's help."""
