"""Figures that nobody measured, for what shows and judges figures: a whole run of the bench.

They are about what servers need, so that a picture of them looks as a real one does.
"""

import random
from copy import deepcopy

from bench.figures import empty
from bench.kinds import Kind

#: name: title, kind, CPU us of a hello request, requests at once (of the wait), KiB of an idle one.
PEERS: dict[str, tuple[str, Kind, float, int, float]] = {
    "floor": ("epoll loop in C (floor)", Kind.FLOOR, 5.9, 1_000, 0.0),
    "wsgi": ("gpool.WSGIServer", Kind.OURS, 9.9, 1_000, 1.0),
    "wsgi-pure": ("gpool.WSGIServer, not compiled", Kind.OURS, 11.3, 1_000, 1.1),
    "wsgi-defer": ("gpool.WSGIServer, defer_accept", Kind.OURS, 10.0, 1_000, 1.0),
    "pywsgi-nagle": ("pywsgi, as shipped", Kind.GEVENT, 137.0, 500, 18.2),
    "pywsgi": ("pywsgi, NODELAY", Kind.GEVENT, 92.0, 1_000, 18.1),
    "pywsgi-gpool": ("pywsgi + WorkerPool", Kind.GEVENT, 90.0, 1_000, 18.9),
    "gunicorn-gevent": ("gunicorn gevent", Kind.GEVENT, 170.0, 900, 21.0),
    "gunicorn-gthread": ("gunicorn gthread", Kind.THREADS, 230.0, 300, 9.4),
    "uwsgi-gevent": ("uWSGI gevent", Kind.GEVENT, 48.0, 1_000, 7.0),
    "granian": ("granian wsgi", Kind.THREADS, 41.0, 600, 6.0),
    "waitress": ("waitress", Kind.THREADS, 160.0, 250, 8.0),
    "cheroot": ("cheroot", Kind.THREADS, 140.0, 200, 14.0),
    "bjoern": ("bjoern", Kind.ONE, 8.9, 1, 1.4),
    "fastwsgi": ("fastwsgi", Kind.ONE, 8.8, 1, 3.3),
    "uvicorn": ("uvicorn, uvloop", Kind.ASGI, 44.0, 1_000, 5.5),
    "go-fasthttp": ("Go fasthttp", Kind.GO, 7.8, 1_000, 4.2),
    "go-net-http": ("Go net/http", Kind.GO, 16.5, 1_000, 12.0),
}
REST = [server for server in PEERS if server != "floor"]
NO_ERRORS = {"connect": 0, "read": 0, "write": 0, "timeout": 0, "status": 0}
SMALL = {
    "keep-alive": ("hello world, keep-alive", 1.0),
    "close": ("hello world, one connection a request", 4.0),
    "pipelined": ("hello world, pipelined 16 deep", 0.5),
    "varied": ("hello world, a browser's heads, all different", 1.8),
    "json": ("10 KB of JSON", 3.0),
    "tls": ("hello world, keep-alive over TLS", 1.7),
}
WITHOUT_TLS = ("bjoern", "fastwsgi", "floor")
SLOW = ("wsgi", "pywsgi", "gunicorn-gthread", "waitress", "go-fasthttp")
LIMITED = ("wsgi", "pywsgi", "gunicorn-gevent", "gunicorn-gthread", "waitress", "go-fasthttp")
SWEPT = ("wsgi", "pywsgi", "gunicorn-gevent", "go-fasthttp")
FEW = ("floor", "wsgi", "pywsgi", "waitress", "bjoern", "uvicorn", "go-fasthttp")
MACHINE = {
    "cpu": "Imagined CPU",
    "cpus": 2,
    "system": "Linux-6.1-x86_64",
    "date": "2026-11-25 12:00 UTC",
    "load_before": 0.1,
    "versions": {"python": "3.11.7", "gevent": "26.9.0", "gpool": "0.1.0", "wrk": "4.1.0"},
    "revision": "0123456789ab",
    "server_on_cpu": [0],
    "clients_on_cpu": [1],
}
HANDOFF = {
    "WorkerPool.serve, a ready worker": {"median": 1030.0, "min": 1010.0, "max": 1400.0},
    "gevent.spawn": {"median": 12300.0, "min": 11600.0, "max": 17200.0},
    "gevent Pool.spawn": {"median": 13800.0, "min": 13300.0, "max": 18300.0},
}


class Maker:
    """Makes the runs; `of_wsgi` is how many times the usual CPU gpool takes."""

    def __init__(self, seed, of_wsgi, repeat):
        self.chance = random.Random(seed)
        self.repeat = repeat
        self.us = {name: peer[2] for name, peer in PEERS.items()}
        self.us["wsgi"] *= of_wsgi
        self.figures = empty() | {"machine": deepcopy(MACHINE), "handoff": deepcopy(HANDOFF)}
        self.figures["servers"] = {
            name: {
                "title": title,
                "kind": kind.value,
                "version": "1.2.3",
                "setting": "",
                "lacks": {},
            }
            for name, (title, kind, *_) in PEERS.items()
        }

    def noisy(self, value):
        return value * self.chance.uniform(0.98, 1.02)

    def add(self, name, title, servers, make, repeat=None, **more):
        usual = {"axis": None, "at": None, "carries": 0, "latency": True, "purpose": "hello"}
        self.figures["workloads"][name] = {"title": title, **usual, **more}
        times = range(repeat or self.repeat)
        self.figures["runs"][name] = {server: [make(server) for _ in times] for server in servers}

    def loaded(self, us, connections=64, **more):
        us = self.noisy(us)
        rate = min(1e6 / us, 138_000)
        wait = connections / rate * 1e3
        return {
            "rate": rate,
            "requests": int(rate * 2),
            "bytes": int(rate * 300),
            "seconds": 2.0,
            "p50": wait,
            "p99": self.noisy(wait * 2),
            "p99.9": self.noisy(wait * 4),
            "max": self.noisy(wait * 6),
            "errors": dict(NO_ERRORS),
            "user_us": us * 0.6,
            "system_us": us * 0.4,
            "rss_kib": 41_000,
            "started_rss_kib": 38_000,
            "peak_rss_kib": 42_000,
            "growth_kib": 900,
            "client_busy": min(0.99, rate / 138_000),
            "mib_per_second": 0.0,
            **more,
        }

    def small(self):
        for name, (title, times) in SMALL.items():
            servers = [s for s in PEERS if not (name == "tls" and s in WITHOUT_TLS)]
            self.add(name, title, servers, lambda s, times=times: self.loaded(self.us[s] * times))

    def waiting(self, server):
        us = max(self.us[server] * 2, 10_000 / PEERS[server][3])
        half = self.noisy(self.us[server])
        return self.loaded(us, 1_000, user_us=half, system_us=half)

    def waits(self):
        for name, title in (("wait", "10 ms wait, 1 000 connections"), ("database", "PostgreSQL")):
            self.add(name, title, REST, self.waiting, purpose=name)

    def large(self):
        def make(server):
            return self.loaded(300 + self.us[server], mib_per_second=3e4 / self.us[server] ** 0.5)

        for name, title in (("response-1m", "answer of 1 MiB"), ("post-1m", "POST of 1 MiB")):
            self.add(name, title, REST, make, 1, carries=2**20)

    def idle(self):
        for count in (1_000, 10_000):

            def make(server, count=count):
                running = 1 if server == "wsgi" else None
                return {"kib": self.noisy(PEERS[server][4]), "count": count, "running": running}

            self.add(f"idle-{count}", f"{count:,} idle connections", REST, make, 1, purpose="idle")

    def overload(self):
        def make(server):
            kept = {"wsgi": 0.97, "go-fasthttp": 0.96}.get(server, 0.7)
            rate = 1e6 / self.us[server] / 20
            more = {"statuses": {"200": int(rate * 2), "503": int(rate)}, "good_p99": 14 / kept**2}
            more |= {"starved": 100 if server == "pywsgi" else 0}
            unloaded = {"unloaded_rate": rate, "unloaded_p99": 12.0}
            run = self.loaded(self.us[server] * 20, **more, **unloaded)
            return run | {"rate": self.noisy(rate * kept)}

        self.add("overload", "twice the limit", LIMITED, make, 2, purpose="overload")

    def slow(self):
        def make(server):
            ours = server == "wsgi"
            gone = {"first_closed": 10.1, "last_closed": 10.6, "left_open": 0}
            return {
                "alone_p50": 0.3,
                "alone_p99": self.noisy(1.0),
                "beside_p50": 0.4,
                "beside_p99": self.noisy(1.2 if ours else 9.0),
                "told": {"408": 10_000} if ours else {},
                "count": 10_000,
                "errors": dict(NO_ERRORS),
                **(gone if ours else {"left_open": 10_000}),
            }

        self.add("slow", "beside 10 000 that send a byte a second", SLOW, make, 1)

    def half_load(self):
        def make(server):
            return self.loaded(self.us[server] * 2, 16, asked_rate=5e5 / self.us[server])

        self.add("half-load", "half of its own maximum, open loop", REST, make, 1)

    def sweeps(self):
        for at in (1, 10, 100, 1_000, 10_000):

            def by_connections(server, at=at):
                return self.loaded(self.us[server] * (1 + at / 8_000) * (1 + 1 / at), at)

            sweep = {"axis": "connections", "at": at}
            self.add(f"connections-{at}", f"{at:,} connections", SWEPT, by_connections, 1, **sweep)
        for at in (8, 32, 100, 316, 1_000, 3_162):

            def by_workers(_server, at=at):
                return self.loaded(max(1e4 / at, 24), 1_000, user_us=14, system_us=9)

            sweep = {"axis": "max_workers", "at": at}
            self.add(f"max-workers-{at}", f"max_workers={at:,}", ["wsgi"], by_workers, 1, **sweep)


def made_up(seed=1, *, of_wsgi=1.0, repeat=3):
    """A run of all workloads."""
    maker = Maker(seed, of_wsgi, repeat)
    parts = (maker.small, maker.waits, maker.large, maker.idle, maker.overload, maker.slow)
    for make in (*parts, maker.half_load, maker.sweeps):
        make()
    figures = maker.figures
    figures["servers"]["bjoern"]["lacks"] = {"tls": "it has no TLS"}
    figures["absent"] = {"uwsgi-old": {"title": "uWSGI 1.9", "reason": "no compiler"}}
    figures["failed"] = ["json: cheroot: it ended without a word"]
    return figures


def of_few(figures):
    """The same of a server of each kind, where time matters more than how full a picture is."""
    for servers in figures["runs"].values():
        for server in set(servers) - set(FEW):
            del servers[server]
    return figures
