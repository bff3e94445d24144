"""What idle connections cost: in gpool's process, and in the kernel around it.

python -m bench.capacity.idle [--to FOLDER] adds to the folder's capacity.json.

Each connection has made a request and waits; both of its ends are on this machine (`bench.crowd`),
so the kernel has two sockets for each. Its memory is that of the slabs that have grown
(/proc/slabinfo, which root alone may read), halved where both ends have an object, and is told
beside what MemAvailable has fallen by, without the two processes. A million is extrapolated from
the largest crowd.
"""

import argparse
import json
import resource
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from bench.capacity.measuring import RESULTS
from bench.crowds import NORMAL, counted, crowd
from bench.kinds import Purpose
from bench.load import allow_connections
from bench.machine import machine
from bench.peers import tls
from bench.processes import memory_kib, serving

__all__ = ["MILLION", "counters", "idle", "idle_tls"]

#: Connections of a server, and servers: as many as 20 000 open files in a process allow.
CROWDS = ((1_000, 1), (10_000, 1), (19_000, 3))
OVER_TLS = 2_000
MILLION = 1_000_000
SERVER = "wsgi"
LEAST = 0.9  # objects for each connection: slabs that have grown less have other reasons
BOTH = 1.5  # objects for each connection, from which on both of its ends have one
WATCHES = "eventpoll_epi"
ONE_END = (WATCHES, "ep_head", "eventpoll_pwq")  # epoll's: the clients do not use it
LOOKED_AT = "proc_inode_cache"
BESIDE = ("dentry", "lsm_inode_cache")  # what each of those has
#: What bounds how many there can be, as this machine has it.
LIMITS = (
    "fs.nr_open",
    "fs.file-max",
    "fs.epoll.max_user_watches",
    "net.core.somaxconn",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_mem",
    "net.netfilter.nf_conntrack_max",
)
SETTLES = 3.0  # seconds in which the kernel frees what is of no use any more
ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def slabs() -> dict[str, tuple[int, int]]:
    """The kernel's caches: objects in use, and the bytes of one; none for who may not read it."""
    try:
        lines = Path("/proc/slabinfo").read_text().splitlines()
    except PermissionError:
        return {}
    fields = (line.split() for line in lines[2:])
    return {name: (int(active), int(size)) for name, active, _, size, *_ in fields}


def limits() -> dict[str, str]:
    """Those of `LIMITS` that there are here."""
    paths = {name: Path("/proc/sys", *name.split(".")) for name in LIMITS}
    files = {"ulimit -Hn": str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])}
    return files | {
        name: " ".join(path.read_text().split()) for name, path in paths.items() if path.exists()
    }


def counters() -> dict[str, Any]:
    """What the kernel says it uses now."""
    tcp = next(
        line for line in Path("/proc/net/sockstat").read_text().splitlines() if line[:4] == "TCP:"
    ).split()
    memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    tracked = Path("/proc/sys/net/netfilter/nf_conntrack_count")
    return {
        "sockets": int(tcp[tcp.index("inuse") + 1]),
        "buffer_pages": int(tcp[tcp.index("mem") + 1]),
        "available_kib": int(memory["MemAvailable"].split()[0]),
        "tracked": int(tracked.read_text()) if tracked.exists() else 0,
        "slabs": slabs(),
    }


def watches(pid: int) -> int:
    """How many descriptors the epolls of a process watch, each as often as it is in one."""
    found = 0
    for path in list(Path(f"/proc/{pid}/fdinfo").iterdir()):
        with suppress(FileNotFoundError):  # closed meanwhile
            found += path.read_text().count("tfd:")
    return found


def kernel(
    before: dict[str, Any], after: dict[str, Any], count: int, watched: float
) -> dict[str, dict[str, Any]]:
    """The slabs that have grown with the connections, each for one end of one.

    Args:
        before: `counters` without them.
        after: the same with them.
        count: of connections.
        watched: by how many watches of epoll each is; the slab's own count is a rough one.
    """
    grown = {}
    # Who looks at /proc/PID/fd makes an inode and an entry for each of them, which is not theirs.
    looked_at = increase(before, after, LOOKED_AT) / count
    for name, (_, size) in after["slabs"].items():
        objects = increase(before, after, name) / count
        if name in BESIDE:
            objects -= looked_at
        if objects < LEAST or name == LOOKED_AT:
            continue
        if name == WATCHES:
            objects = watched
        ends = 2 if objects >= BOTH and name not in ONE_END else 1
        grown[name] = {"objects": objects, "size": size, "bytes": objects * size / ends}
    return grown


def increase(before: dict[str, Any], after: dict[str, Any], name: str) -> int:
    """By how many objects a slab has grown."""
    nothing = (0, 0)
    now, then = (counted["slabs"].get(name, nothing)[0] for counted in (after, before))
    return int(now - then)


def idle(count: int, servers: int = 1) -> dict[str, Any]:
    """So many connections to each of so many servers.

    Raises:
        DidNotStartError: there is no gpool here.
        RuntimeError: so many open files are not allowed, or some were closed.
    """
    allow_connections(count)
    with ExitStack() as stack:
        running = [stack.enter_context(serving(SERVER, Purpose.IDLE)) for _ in range(servers)]
        for one in running:
            NORMAL.warm_up(one.port)
        time.sleep(SETTLES)
        rss, before = sum(memory_kib(one.pid) for one in running), counters()
        crowds = [stack.enter_context(crowd("idle", one.port, count)) for one in running]
        time.sleep(SETTLES)
        after, grown = counters(), sum(memory_kib(one.pid) for one in running) - rss
        crowd_kib = sum(memory_kib(process.pid) for process in crowds)
        watched = sum(watches(one.pid) for one in running) / (count * servers)
        closed = sum(counted(process) for process in crowds)
    all_of = count * servers
    if closed:
        raise RuntimeError(f"{closed} of {all_of} idle connections were closed")
    fallen = before["available_kib"] - after["available_kib"] - grown - crowd_kib
    return {
        "count": all_of,
        "servers": servers,
        "kib": grown / all_of,
        "sockets": (after["sockets"] - before["sockets"]) / all_of,
        "buffer_bytes": (after["buffer_pages"] - before["buffer_pages"]) * 4096 / all_of / 2,
        "tracked": (after["tracked"] - before["tracked"]) / all_of,
        "available_bytes": fallen * 1024 / all_of / 2,
        "slabs": kernel(before, after, all_of, watched),
        "watches": watched,
    }


def idle_tls(count: int = OVER_TLS) -> dict[str, Any]:
    """The same over TLS, of the process alone; the clients are in this one."""
    allow_connections(count)
    context = tls.client_context()
    with serving(SERVER, Purpose.TLS) as running, ExitStack() as stack:
        before = memory_kib(running.pid)
        for _ in range(count):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", running.port)))
            sock = context.wrap_socket(raw, server_hostname="127.0.0.1")
            stack.enter_context(sock)
            sock.sendall(ASK)
            if b" 200 " not in sock.recv(4_096):
                raise RuntimeError("an idle client was not answered with 200")
        return {"count": count, "kib": (memory_kib(running.pid) - before) / count}


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write it down."""
    command_line = argparse.ArgumentParser("python -m bench.capacity.idle")
    command_line.add_argument("--to", type=Path, default=RESULTS, metavar="FOLDER")
    given = command_line.parse_args(arguments)
    path = given.to / "capacity.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    runs = []
    for count, servers in CROWDS:
        runs.append(idle(count, servers))
        print(f"{count * servers}: {runs[-1]['kib']:.3f} KiB", file=sys.stderr)
    kept["idle"] = {"machine": machine(), "limits": limits(), "runs": runs, "tls": idle_tls()}
    path.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
