"""Everything that is measured, beyond the workloads that run inside an instance."""
