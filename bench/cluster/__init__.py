"""Eight processes of gpool behind HAProxy, with faults: python -m bench.cluster, `make cluster`.

- `places`: addresses of their own, in network namespaces where those can be had;
- `application`, `processes`: what runs there; `balancer`: HAProxy, and what it tells;
- `client`: requests, and what became of each;
- `faults`: one process is killed, drained, slowed down, cut off, frozen, while the clients ask;
- `crowded`: nine tenths of all workers in use, with ``overflow="reject"`` and ``"wait"``;
- `claims`, `report`, `plot`: what was asked, measured and held, from the figures alone.
"""
