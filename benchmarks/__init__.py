"""The harness: sandboxes, images, workloads, campaigns, statistics, run folders."""
