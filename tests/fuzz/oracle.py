"""What h11 makes of the bytes of a client: the next message, how it ends, and what is left.

h11 is asked for one message at a time, on a connection of its own, so that what it thinks of the
connection's fate (`Message.persistent`) can be compared and does not hide the rest.

Guarantees: the answer is a `Message`, or None where h11 wants more bytes or refuses those there
are; `Message.environ` says what the header fields are in PEP 3333's terms and gpool's rules, which
are written down a second time here, and shorter.
"""

from dataclasses import dataclass, field

import h11

__all__ = ["Message", "first_method", "message"]

MOST = 1 << 21  # bytes of a head; gpool's bound is what is to be looked at


@dataclass
class Message:
    """A request that is whole.

    Attributes:
        method: as it was sent.
        target: the same.
        version: the digits.
        environ: the header fields.
        body: its bytes.
        persistent: whether the connection goes on, as h11 sees it.
        rest: what follows it.
    """

    method: str
    target: str
    version: str
    environ: dict[str, str]
    body: bytes
    persistent: bool = field(compare=False)
    rest: bytes = field(compare=False)


def message(data: bytes) -> Message | None:
    """The first message of `data`."""
    if not data:
        return None  # which h11 takes for the end
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST)
    request, body = None, b""
    try:
        conn.receive_data(data)
        while type(event := conn.next_event()) is not h11.EndOfMessage:
            if event in (h11.NEED_DATA, h11.PAUSED):
                return None
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
    except h11.RemoteProtocolError:
        return None
    assert request is not None
    return Message(
        request.method.decode(),
        request.target.decode(),
        request.http_version.decode(),
        environ_of(request.headers.raw_items()),
        body,
        conn.their_state is not h11.MUST_CLOSE,
        conn.trailing_data[0],
    )


def first_method(data: bytes) -> str | None:
    """The method of the first message of `data`, if its head is good, whatever the rest is."""
    if not data:
        return None
    conn = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST)
    try:
        conn.receive_data(data)
        event = conn.next_event()
    except h11.RemoteProtocolError:
        return None
    return event.method.decode() if isinstance(event, h11.Request) else None


def environ_of(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Header fields as keys of an environ: with "_" left out, repeated ones joined."""
    values: dict[str, list[str]] = {}
    for raw_name, value in headers:
        name = raw_name.decode().upper()
        if "_" in name:
            continue
        key = name.replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        values.setdefault(key, []).append(value.decode("latin-1"))
    return {
        key: ("; " if key == "HTTP_COOKIE" else ",").join(each).strip(" \t")
        for key, each in values.items()
    }
