"""A small client that warms a server up: its caches, its workers, its memory.

Closed loop, like wrk: each connection sends its request again as soon as it is answered, and
connects again when the server closes. It measures nothing, and is in no run's figures: wrk runs
for a second at least, which is too long for this.
"""

import asyncio
import ssl

__all__ = ["WARM_UP", "warm_up"]

WARM_UP = 0.3  # seconds
AT_MOST = 1_000  # connections, however many the load has: more would take longer than it lasts
READ = 2**16  # bytes at once


class _Client:
    """One connection at a time.

    Args:
        port: on loopback.
        request: its bytes.
        context: for TLS.

    Attributes:
        answers: how many it has got.
    """

    def __init__(self, port: int, request: bytes, context: ssl.SSLContext | None) -> None:
        self._port = port
        self._request = request
        self._context = context
        self._writer: asyncio.StreamWriter | None = None
        self.answers = 0

    async def connect(self) -> asyncio.StreamReader:
        """A connection; the last one is closed."""
        self.close()
        reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._context, limit=READ
        )
        return reader

    async def go_on(self) -> None:
        """Ask for ever."""
        reader = await self.connect()
        while True:
            assert self._writer is not None
            self._writer.write(self._request)
            try:
                goes_on = await read_answer(reader)
                self.answers += 1
            except (OSError, EOFError):
                goes_on = False
            if not goes_on:
                reader = await self.connect()

    def close(self) -> None:
        """Close at once."""
        if self._writer is not None:
            self._writer.transport.abort()


async def read_answer(reader: asyncio.StreamReader) -> bool:
    """Read a whole answer; whether the connection goes on."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    _, found, rest = head.partition(b"\r\ncontent-length:")
    if b"\r\ntransfer-encoding:" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await discard(reader, size + 2)
        await reader.readuntil(b"\r\n")
    elif found:
        await discard(reader, int(rest.partition(b"\r\n")[0]))
    else:
        return False  # it ends where the connection does
    return b"\r\nconnection: close\r\n" not in head


async def discard(reader: asyncio.StreamReader, left: int) -> None:
    """Read so many bytes."""
    while left:
        got = len(await reader.read(min(left, READ)))
        if not got:
            raise EOFError
        left -= got


def insecure() -> ssl.SSLContext:
    """TLS that believes every server, as wrk does."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def ask(
    port: int, request: bytes, connections: int, seconds: float, context: ssl.SSLContext | None
) -> int:
    """Load the server for that long; how many answers there were."""
    clients = [_Client(port, request, context) for _ in range(connections)]
    tasks = [asyncio.create_task(client.go_on()) for client in clients]
    await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    for client in clients:
        client.close()
    answers = sum(client.answers for client in clients)
    failures = [end for end in ends if isinstance(end, Exception)]
    if failures and not answers:
        raise failures[0]
    return answers


def warm_up(
    port: int, request: bytes, connections: int, *, tls: bool = False, seconds: float = WARM_UP
) -> int:
    """Send the same request over many connections, for a while.

    Args:
        port: on loopback.
        request: its bytes; the answer has a Content-Length, chunks, or an end.
        connections: at once; the first thousand of them.
        tls: whether to speak it.
        seconds: above 0.

    Returns:
        How many answers there were.

    Raises:
        OSError: there was none, since nobody is there.
        ValueError: the same, since what answers does not speak HTTP.
    """
    count = min(connections, AT_MOST)
    return asyncio.run(ask(port, request, count, seconds, insecure() if tls else None))
