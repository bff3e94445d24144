"""Fuzzing of what a client, a proxy and an application may send: see `tests.fuzz.__main__`."""
