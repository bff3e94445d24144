"""The answers of a connection, as two independent clients read them: h11's and `http.client`'s.

Guarantees: bytes that are not exactly a row of responses, each framed as RFC 9112 has it, raise an
AssertionError; a response is never read beyond its end to make sense of it.
"""

from dataclasses import dataclass

import h11

from tests.wsgi.parts import parsed

__all__ = ["Answer", "read_answer", "read_same"]


@dataclass
class Answer:
    """A final response.

    Attributes:
        status: the code.
        reason: the phrase.
        headers: names in lower case.
        body: as far as it is there.
        whole: whether its end was seen.
        closes: whether the client may send no more.
        interim: the codes that came before it.
        rest: what came behind it.
    """

    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    whole: bool
    closes: bool
    interim: list[int]
    rest: bytes

    def value(self, name: bytes) -> bytes | None:
        """The value of a field that is there once, or not at all."""
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1, (name, self.headers)
        return values[0] if values else None


def read_answer(data: bytes, method: str, *, version: str = "1.1") -> Answer:
    """The first response in `data`, after which the connection has ended.

    Raises:
        AssertionError: it is malformed, or there is none.
    """
    conn = client(method)
    response, body, interim, failure, event = None, b"", [], "", None
    conn.receive_data(data)
    try:
        while type(event := conn.next_event()) is not h11.EndOfMessage:
            if isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
            else:
                conn.receive_data(b"")
    except h11.RemoteProtocolError as error:
        failure = str(error)
    whole = type(event) is h11.EndOfMessage
    assert not failure or "peer closed" in failure, (failure, data)
    assert {*interim} <= {100, 103}, data
    assert response is not None, f"no response in {data!r}"
    assert response.http_version == b"1.1", response
    tokens = options(response)
    closes = b"close" in tokens or (version == "1.0" and b"keep-alive" not in tokens)
    rest = conn.trailing_data[0] if whole else b""
    return Answer(
        response.status_code,
        bytes(response.reason),
        [(bytes(k), bytes(v)) for k, v in response.headers],
        body,
        whole,
        closes,
        interim,
        rest,
    )


def options(response: h11.Response) -> set[bytes]:
    """Of its Connection fields."""
    values = [value for name, value in response.headers if name == b"connection"]
    return {one.strip().lower() for value in values for one in value.split(b",")}


def client(method: str) -> h11.Connection:
    """A client that has sent a request of this method."""
    conn = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 21)
    known = method if method in ("HEAD", "CONNECT") else "GET"
    conn.send(h11.Request(method=known, target="/", headers=[("Host", "a")], http_version="1.1"))
    conn.send(h11.EndOfMessage())
    return conn


def read_same(answer: Answer, data: bytes, method: str) -> None:
    """`http.client` reads the same as h11."""
    got = parsed(data, method)
    reason = answer.reason.decode("latin-1").strip()
    assert got.status.rstrip() == f"{answer.status} {reason}".rstrip(), got
    assert [k.lower().encode() for k, _ in got.headers] == [k for k, _ in answer.headers]
    assert got.body == answer.body and got.rest == answer.rest, (got, answer)
