"""What ``tare leaks`` shows of a run, and how it is judged against an earlier one."""
