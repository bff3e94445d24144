"""Target: the body of a request, by the two decoders of `gpool.wsgi.body`.

What must hold, whatever comes: a body and what follows it, a wait for more, or a `BadRequest` with
one of three statuses; the same in any pieces; nothing is refused in pieces that is a good body in
one; and h11 reads the same chunks, but for what `tests.fuzz.disagreements` has.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from gpool.errors import BadRequest
from gpool.wsgi.body import Body, ChunkedBody, LengthBody
from gpool.wsgi.framing import Limits
from tests.fuzz.application import Call
from tests.fuzz.differential import agreed_on
from tests.fuzz.disagreements import DISAGREEMENTS
from tests.fuzz.inputs import Input

__all__ = ["run"]

STATUSES = {400, 413, 431}
LIMITS = (
    Limits(),
    Limits(max_headers=2, max_header_size=1_024, max_head_size=1_100, max_body_size=40),
)
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
FIELDS = {"HTTP_HOST": "a", "HTTP_TRANSFER_ENCODING": "chunked"}


class Decoded(NamedTuple):
    """What feeding has come to.

    Attributes:
        status: of the refusal; 0 if there was none.
        body: what there was of it; of a refused one, nobody's.
        done: whether it is over.
        rest: what follows it.
    """

    status: int
    body: bytes = b""
    done: bool = False
    rest: bytes = b""


def run(data: bytes) -> bool:
    """See the module. Returns whether the body is good, and whole."""
    case = Input.of(data)
    if case.choice(1):
        return run_length(case)
    limits = LIMITS[case.choice(0)]
    whole = fed(ChunkedBody(limits), [case.stream])
    assert whole.status in {0, *STATUSES}, whole
    for pieces in case.cuttings():
        decoded = fed(ChunkedBody(limits), pieces)
        if whole.status:
            assert decoded.status in STATUSES, (whole, decoded)
        else:
            assert decoded == whole, (whole, decoded)
    if whole.done:
        call = Call("GET", "/", "HTTP/1.1", dict(FIELDS), whole.body)
        rest = agreed_on(call, HEAD + case.stream, DISAGREEMENTS, Counter(), goes_on=True)
        assert rest == whole.rest, (rest, whole)
    return whole.done


def run_length(case: Input) -> bool:
    """A body that is counted: of so many bytes as the seed says."""
    expected = Decoded(
        0, case.stream[: case.seed], len(case.stream) >= case.seed, case.stream[case.seed :]
    )
    for pieces in ([case.stream], *case.cuttings()):
        assert fed(LengthBody(case.seed), pieces) == expected
    return expected.done


def fed(body: Body, pieces: Iterable[bytes]) -> Decoded:
    """Feed `body`, as a connection does: nothing after its end."""
    taken, rest = b"", b""
    for piece in pieces:
        if body.done:
            rest += piece
            continue
        before = body.remaining()
        try:
            part = body.feed(piece)
        except BadRequest as error:
            return Decoded(error.status)
        taken += part
        assert before is None or body.remaining() == before - len(part)
    assert body.remaining() == 0 or not body.done
    return Decoded(0, taken, body.done, body.rest + rest)
