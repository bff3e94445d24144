"""What fuzzing has found."""

from tests.fuzz import connections, differential
from tests.fuzz.application import NOTHING
from tests.fuzz.inputs import CHOICES

CHUNKED = b" / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_head_that_is_refused_for_its_body_has_an_answer_without_one():
    differential.run(bytes(CHOICES) + b"HEAD" + CHUNKED + b"x\r\n")


def test_a_request_that_is_answered_is_not_refused_for_the_rest_of_its_body():
    """RFC 9112 section 9.2: a client takes a second answer for that to its next request."""
    small_buffer = bytes([NOTHING | 1 << 2, 0])
    connections.run(small_buffer + b"POST" + CHUNKED + b"40\r\n" + bytes(0x40) + b"\r\nx\r\n")
