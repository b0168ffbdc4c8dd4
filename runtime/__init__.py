"""Namespace and cgroup container runtime; imports nothing else of the project."""
