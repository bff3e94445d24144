"""A client of the process: what it got, whole or in part, and how that ended.

It waits for events and never for time to pass: when nothing comes, the server is asked whether it
has something to do still; if not, its deadlines are what is left, and they are let go by.
"""

import select
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any, Self

from tests.faults.process import Process
from tests.faults.serving import END

__all__ = ["Client"]

SOON = 0.02  # seconds after which the server is asked; more of them cost time only
LAPSES = 5  # of all deadlines; nothing has more behind each other
RESET = struct.pack("ii", 1, 0)
BUFFER = 8_192  # bytes that the kernel is to keep for it, about


class Client:
    """One connection.

    Args:
        process: whose.
        address: of one of its servers.
        context: for TLS.

    Attributes:
        received: all that came.
        ended: how it ended, "" for not yet: "end" or "reset".
        lapses: how often deadlines had to be let go by.
    """

    def __init__(self, process: Process, address: Any, context: Any = None) -> None:
        self._process = process
        self.received = b""
        self.ended = ""
        self.lapses = 0
        self._sock = socket.socket(
            socket.AF_UNIX if isinstance(address, str) else socket.AF_INET, socket.SOCK_STREAM
        )
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._address = address
        self._tls: Any = None
        if context is not None:
            self._come, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
            self._tls = context.wrap_bio(self._come, self._goes, server_hostname="localhost")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def begin(self) -> Self:
        """Connect; with TLS, shake hands."""
        self._sock.connect(self._address)
        self._sock.setblocking(False)
        if self._tls is not None:
            self._secure(self._tls.do_handshake)
        return self

    def close(self) -> None:
        """Close; a second call does nothing."""
        self._sock.close()

    # ------------------------------------------------------------------ the connection

    def _wait(self, *, write: bool = False) -> None:
        """Wait until the socket is ready."""
        reads, writes = ([], [self._sock]) if write else ([self._sock], [])
        if any(select.select(reads, writes, [], SOON)):
            return
        for lapse in range(LAPSES):
            for command in ("idle", "idle", "lapse")[: 2 + bool(lapse)]:
                self.lapses += command == "lapse"
                self._process.ask(command)
                if any(select.select(reads, writes, [], 0.06 * lapse)):
                    return
        raise AssertionError(f"the server forgot its client, who got {self.received[-200:]!r}")

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        while view and not self.ended:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                if select.select([self._sock], [], [], 0)[0]:
                    self._receive_plain()  # who sends to a server that sends must read
                else:
                    self._wait(write=True)
            except OSError:
                return  # what came before it is there to be read

    def _receive(self) -> bytes:
        # b"" at the end, whatever it is.
        while not self.ended:
            self._wait()
            try:
                data = self._sock.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                self.ended = "reset"
                return b""
            if not data:
                self.ended = "end"
            return data
        return b""

    def _receive_plain(self) -> None:
        data = self._receive()
        if self._tls is None:
            self.received += data
        elif data:
            self._come.write(data)
        else:
            self._come.write_eof()

    def _secure(self, call: Any, *args: Any) -> Any:
        # Do something of TLS; None if the server ends it.
        while not self.ended:
            try:
                done = call(*args)
            except ssl.SSLWantReadError:
                self._send(self._goes.read())
                self._receive_plain()
            except ssl.SSLError:
                self.ended = self.ended or "reset"
            else:
                self._send(self._goes.read())
                return done
        return None

    # ------------------------------------------------------------------ for scenarios

    def send(self, data: bytes) -> Self:
        """Send, as far as there is somebody."""
        if self._tls is None:
            self._send(data)
        else:
            self._secure(self._tls.write, data)
        return self

    def more(self) -> None:
        """Receive something, or the end."""
        if self._tls is None:
            self._receive_plain()
            return
        data = self._secure(self._tls.read, 65_536)
        self.received += data or b""
        if not data:
            self.ended = self.ended or "end"

    def bodies(self, count: int) -> Self:
        """Receive until so many bodies are over, or all."""
        while not self.ended and self.received.count(END) < count:
            self.more()
        return self

    def until(self, text: bytes) -> Self:
        """Receive until this has come, or all."""
        while not self.ended and text not in self.received:
            self.more()
        return self

    def rest(self) -> Self:
        """Receive until the server closes."""
        while not self.ended:
            self.more()
        return self

    def half_close(self) -> Self:
        """Send no more."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
        return self

    def reset(self) -> None:
        """Be gone."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._sock.close()
