"""What `python -m bench --list` tells: every workload and every server."""

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.command_line import USUAL, Scale
from bench.plan import able, plan
from bench.progress import minutes
from bench.servers import SERVERS
from bench.workloads import WORKLOADS


def listing(console: Console) -> None:
    """Tell it."""
    workloads = Table("workload", "what", "servers", "runs", "seconds", box=SIMPLE_HEAD)
    for name, workload in WORKLOADS.items():
        count = str(len(able(name, list(SERVERS))))
        runs = str(workload.repeat) if name in USUAL else "if asked"
        workloads.add_row(name, workload.title, count, runs, str(workload.seconds))
    workloads.add_row("handoff", "starting a handler: gpool's pool, and gevent", "", "1", "")
    servers = Table("server", "what", "kind", box=SIMPLE_HEAD)
    for name, server in SERVERS.items():
        servers.add_row(name, server.title, server.kind.value)
    console.print(workloads, servers)
    lasts = sum(step.lasts for step in plan(Scale(), list(SERVERS)))
    console.print(f"make bench takes about {minutes(lasts)} minutes with all of them", markup=False)
