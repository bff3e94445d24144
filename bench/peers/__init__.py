"""The servers that gpool is measured beside.

A module of a family has its servers: how each is started and set up, and why so. `run_*` are the
programs of those that have no command of their own which says enough; `answers`, `fasthttp` and
`nethttp` are Go's.
"""
