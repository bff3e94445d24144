"""System calls that fail, one at a time, in a real server process; see `tests.faults.table`."""
