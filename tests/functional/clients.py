"""Clients in a process of their own, many at a time, for the long runs.

python -m tests.functional.clients PORT CONNECTIONS SEED: connects CONNECTIONS times, 40 at once,
each time with an act drawn from those below, checks every byte that comes back, and prints how
many connections there were.

The first byte of a connection tells the handler what to do; the rest of the line is to be echoed.
"""

import random
import struct
import sys

import gevent
from gevent import socket

AT_ONCE = 40
SOURCES = [f"127.0.0.{last}" for last in range(2, 30)]  # ports are reused sixty seconds later
RESET = struct.pack("ii", 1, 0)

#: What the handler does: (act, weight). Those in capitals end without an answer.
ACTS = {
    b"e": 60,  # echo
    b"h": 10,  # echo, hijacked: from another greenlet
    b"s": 8,  # echo, after a short wait
    b"R": 8,  # raise
    b"T": 4,  # time out
    b"L": 6,  # echo, and leak a Timeout
    b"K": 4,  # be killed
}
ANSWERED = b"ehsL"


def visit(address: tuple[str, int], act: bytes, rng: random.Random) -> None:
    """One connection; what comes back must be what was sent, or nothing."""
    line = act + rng.randbytes(rng.randrange(1, 200)).replace(b"\n", b"") + b"\n"
    with socket.create_connection(address, source_address=(rng.choice(SOURCES), 0)) as client:
        if rng.random() < 0.02:  # half a line, and gone
            client.sendall(line[:-1])
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            return
        client.sendall(line)
        received = b""
        try:
            while data := client.recv(4_096):
                received += data
        except ConnectionResetError:
            assert act not in ANSWERED, act
        assert received == (line if act in ANSWERED else b""), (act, line, received)


def main(port: int, connections: int, seed: int) -> None:
    """Visit until `connections` are done."""
    rng = random.Random(seed)
    left = iter(rng.choices(list(ACTS), list(ACTS.values()), k=connections))

    def visitor() -> int:
        done = 0
        for act in left:
            visit(("127.0.0.1", port), act, rng)
            done += 1
        return done

    visitors = [gevent.spawn(visitor) for _ in range(AT_ONCE)]
    gevent.joinall(visitors, raise_error=True)
    print(sum(visitor.get() for visitor in visitors))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
