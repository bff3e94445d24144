"""The command ``gpool``: from what a user says to a process that serves.

    options      what there is, once: the command line, the environment, the file and the docs
    sources      where each value comes from
    loading      the application
    listeners    the sockets
    logs         the logs, and reopening them
    systemd      what systemd wants to know
    serving      one process            -> gpool.hosting
    reload       start anew when a file changes

`gpool.cli` puts them together; more than one process is `gpool.processes`, gunicorn's arbiter.
"""
