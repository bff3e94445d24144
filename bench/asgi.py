"""The application of `bench.application` for ASGI servers: the same bytes at the same paths.

It is plain ASGI, as WSGI's is plain WSGI; waits are asyncio's, the database's driver is asyncpg
with a pool of the same size, which prepares the query by itself.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from bench import application as same
from bench import queries

__all__ = ["application"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
QUERY = "SELECT id, text FROM rows WHERE id = $1"
TEXT = b"text/plain"
pools: dict[str, Any] = {}


async def hello(receive: Receive, send: Send) -> None:
    """Hello world."""
    del receive
    await answer(send, same.BODY)


async def wait(receive: Receive, send: Send) -> None:
    """The same after a wait."""
    await asyncio.sleep(same.WAIT)
    await hello(receive, send)


async def upload(receive: Receive, send: Send) -> None:
    """Read the whole body, as it comes."""
    while (await receive()).get("more_body"):
        pass
    await hello(receive, send)


async def listing(receive: Receive, send: Send) -> None:
    """JSON, made anew."""
    del receive
    await answer(send, same.items(), same.JSON.encode())


async def database(receive: Receive, send: Send) -> None:
    """A row of the database."""
    del receive
    found = await pools["rows"].fetchrow(QUERY, queries.any_number())
    await answer(send, same.row(*found), same.JSON.encode())


async def stats(receive: Receive, send: Send) -> None:
    """No pool has workers here."""
    del receive
    await answer(send, b'{"running": []}', same.JSON.encode())


async def whole(receive: Receive, send: Send) -> None:
    """An answer of 1 MiB in one piece."""
    del receive
    await answer(send, same.LARGE, b"application/octet-stream")


def iterable(size: int) -> Callable[[Receive, Send], Awaitable[None]]:
    """An answer that is produced block by block."""

    async def give(receive: Receive, send: Send) -> None:
        del receive
        await begin(send, size, b"application/octet-stream")
        for block in same.blocks(size):
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body"})

    return give


async def answer(send: Send, body: bytes, kind: bytes = TEXT) -> None:
    """A whole answer."""
    await begin(send, len(body), kind)
    await send({"type": "http.response.body", "body": body})


async def begin(send: Send, size: int, kind: bytes) -> None:
    """The head of one."""
    headers = [(b"content-type", kind), (b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


ROUTES = {
    "/wait": wait,
    "/upload": upload,
    "/json": listing,
    "/database": database,
    "/stats": stats,
    "/1-whole": whole,
    "/1-iterable": iterable(same.MIB),
    "/100-iterable": iterable(100 * same.MIB),
}


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """What the path names; hello world at any other."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await ROUTES.get(scope["path"], hello)(receive, send)


async def lifespan(receive: Receive, send: Send) -> None:
    """Have the database's connections while the server runs, if a database is named."""
    await receive()
    if dsn := os.environ.get(queries.DSN):
        import asyncpg  # noqa: PLC0415  # only where there is a database

        pools["rows"] = await asyncpg.create_pool(
            dsn, min_size=1, max_size=queries.CONNECTIONS, max_inactive_connection_lifetime=0
        )
    await send({"type": "lifespan.startup.complete"})
    await receive()
    for pool in pools.values():
        pool.terminate()
    await send({"type": "lifespan.shutdown.complete"})
