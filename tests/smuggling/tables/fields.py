"""Field lines: what ends one, what a name is, and names that pass for others."""

from tests.blackbox.client import request
from tests.smuggling.cases import CLOSES, NEXT, SMUGGLED, WAITS, post, refused, served

__all__ = ["CASES"]


def bad(section, known, name, *lines, status=400):
    """A request with lines that are refused."""
    return refused(section, known, name, request("/a", *lines), status)


ENDS = [
    bad("9112-2.2", "bare LF", "behind a field", "X-A: b\nX-B: c"),
    bad("9112-2.2", "bare LF", "behind the last field", "X-A: b\n"),
    bad("9112-2.2", "bare LF", "twice: an end", b"X-A: b\n\n" + SMUGGLED[:-4]),
    bad("9112-2.2", "bare LF", "and CRLF: an end", b"X-A: b\n\r\n" + SMUGGLED[:-4]),
    bad("9112-2.2", "bare LF", "in a name", "X\n-A: b"),
    bad("9112-2.2", "bare LF", "before the colon", "X-A\n: b"),
    bad("9112-2.2", "bare LF", "before a value", "X-A:\nb"),
    bad("9112-2.2", "CVE-2023-30589", "behind a field", "X-A: b\rX-B: c"),
    bad("9112-2.2", "CVE-2023-30589", "an empty field, then a length", "X-A:\rContent-Length: 5"),
    bad("9112-2.2", "CVE-2015-8852", "twice: an end", b"X-A: b\r\r" + SMUGGLED[:-4]),
    bad("9112-2.2", "bare CR", "in a name", "X\r-A: b"),
    bad("9112-2.2", "bare CR", "before CRLF", "X-A: b\r"),
    bad("9112-2.2", "bare CR", "before a value", "X-A:\rb"),
    bad("9112-2.2", "CVE-2022-32214", "LF and CR", "X-A: b\n\rX-B: c"),
    bad("9112-2.2", "bare CR", "before an end", b"X-A: b\r\n\r\r\n" + SMUGGLED[:-4]),
    bad("9112-5.2", "obs-fold", "by a space", "X-A: b\r\n c"),
    bad("9112-5.2", "obs-fold", "by a tab", "X-A: b\r\n\tc"),
    bad("9112-5.2", "obs-fold", "of a field", "X-A: b\r\n X-B: c"),
    bad("9112-5.2", "obs-fold", "of nothing", "X-A: b\r\n \r\nX-B: c"),
    refused(
        "9112-2.2",
        "obs-fold",
        "of the request line",
        b"GET /a HTTP/1.1\r\n X-A: b\r\nHost: a\r\n\r\n",
    ),
    refused(
        "9112-2.2",
        "obs-fold",
        "of the request line, by a length",
        b"POST /a HTTP/1.1\r\n Content-Length: 5\r\nHost: a\r\n\r\nhello",
    ),
    served("9112-2.1", "missing end", "half a head", request("/a")[:-2], then=WAITS),
    served(
        "9112-2.1",
        "missing end",
        "a head in a field",
        request("/a")[:-4] + b" " + b"x" * 50,
        then=WAITS,
    ),
]

NAMES = [
    bad("9112-5.1", "CVE-2021-22959", "space before a colon", "X-A : b"),
    bad("9112-5.1", "white space", "tab before a colon", "X-A\t: b"),
    bad("9112-5.1", "white space", "space in a name", "X A: b"),
    bad("9112-2.2", "white space", "space before the first name", " X-A: b"),
    bad("9112-5", "CVE-2019-20444", "a line without a colon", "X-A"),
    bad("9112-5", "CVE-2023-25725", "empty", ": b"),
    bad("9112-5", "CVE-2023-25725", "empty, before a length", ":\r\nContent-Length: 5"),
    bad("9112-5", "name", "a request line", "GET /smuggled HTTP/1.1"),
    bad("9112-5", "name", "a request line with a colon", "GET /smuggled?: HTTP/1.1"),
    bad("9110-5.1", "name", "NUL", "X\0A: b"),
    bad("9110-5.1", "CVE-2021-43797", "a control character", "X\x1fA: b"),
    bad("9110-5.1", "name", "DEL", "X\x7f: b"),
    bad("9110-5.1", "name", "a high byte", b"X\xe9: b"),
    bad("9110-5.1", "name", "a no-break space", b"X-A\xa0: b"),
    bad("9110-5.1", "name", "quotes", '"X-A": b'),
    bad("9110-5.1", "name", "a slash", "X/A: b"),
    bad("9110-5.1", "name", "parentheses", "X(A): b"),
]

VALUES = [
    bad("9110-5.5", "control character", "NUL", "X-A: b\0c"),
    bad("9110-5.5", "control character", "vertical tab", "X-A: b\x0bc"),
    bad("9110-5.5", "control character", "backspace", "X-A: b\x08"),
    bad("9110-5.5", "control character", "escape", "X-A: \x1b[0m"),
    bad("9110-5.5", "control character", "DEL", "X-A: b\x7f"),
    served(
        "9110-5.5",
        "obs-text",
        "high bytes in a value",
        request("/a", b"X-A: \x80\x85\xa0\xff") + NEXT,
        "GET /a",
        "GET /next",
    ),
    served(
        "9110-5.5",
        "obs-text",
        "characters whose low bytes are CR and LF",
        request("/a", "X-A: b\u010d\u010aContent-Length: 5".encode()) + NEXT,
        "GET /a",
        "GET /next",
    ),
    served(
        "9110-5.5",
        "white space",
        "around a value",
        request("/a", "X-A:\t b \t") + NEXT,
        "GET /a",
        "GET /next",
    ),
    served(
        "9110-5.5",
        "white space",
        "a colon in a value",
        request("/a", "X-A: Content-Length: 5") + NEXT,
        "GET /a",
        "GET /next",
    ),
]


def told(known, name, words, *lines, section="9110-5.1"):
    """A request whose application is told so of its field X-A."""
    saw = f"GET /told/b example.org /told/b {words}"
    return served(section, known, name, request("/told/b", *lines) + NEXT, saw, "GET /next")


UNDERSCORES = [
    told("underscore", "one is none", "-", "X_A: evil"),
    told("underscore", "one before a dash", "good", "X_A: evil", "X-A: good"),
    told("underscore", "one behind a dash", "good", "X-A: good", "X_A: evil"),
    told("underscore", "one in the place of a dash, in Host", "-", "HTTP_HOST: evil.example"),
    told(
        "hop-by-hop",
        "an option is no order to drop a field",
        "good",
        "Connection: X-A",
        "X-A: good",
        section="9110-7.6.1",
    ),
    told("white space", "is not of a value", "good", "X-A: \t good\t ", section="9110-5.5"),
    told("obs-text", "is as it was", "\xe9\xff", b"X-A: \xe9\xff", section="9110-5.5"),
    served(
        "9110-5.1",
        "underscore",
        "a length with one is none",
        post("Content_Length: 5", body=NEXT),
        "POST /a",
        "GET /next",
    ),
    served(
        "9110-5.1",
        "underscore",
        "a length with one beside a length",
        post(f"Content_Length: {5 + len(NEXT)}", "Content-Length: 5", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9110-5.1",
        "underscore",
        "a coding with one beside a length",
        post("Content-Length: 5", "Transfer_Encoding: chunked", body=b"0\r\n\r\n" + NEXT),
        "POST /a 0\r\n\r\n",
        "GET /next",
    ),
    served(
        "9110-5.1",
        "underscore",
        "a length with one beside a coding",
        post("Content_Length: 4", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + NEXT),
        "POST /a",
        "GET /next",
    ),
    bad(
        "9110-5.1",
        "underscore",
        "does not save a bad length",
        "Content_Length: 5",
        "Content-Length: x",
    ),
]

LARGE = [
    bad("9110-15.5", "too large", "a field", "X-A: " + "b" * 8_190, status=431),
    bad("9110-15.5", "too large", "a name", "X" * 8_191 + ": b", status=431),
    bad("9110-15.5", "too large", "101 fields", *["X-A: b"] * 100, status=431),
    bad(
        "9110-15.5",
        "too large",
        "a head of 65 537 bytes",
        *[f"X-{number}: {'b' * 8_000}" for number in range(9)],
        status=431,
    ),
    served(
        "9110-5.4",
        "too large",
        "100 fields are not",
        request("/a", *["X-A: b"] * 99) + NEXT,
        "GET /a",
        "GET /next",
    ),
]

#: Heads that never end: what cannot become a good one is refused at once, and not by a timeout.
AT_ONCE = [
    *[
        served("9112-2.2", known, f"at once: {name}", data, 400, then=CLOSES)
        for known, name, data in (
            ("CVE-2021-41136", "LFs for all ends", b"GET /a HTTP/1.1\nHost: a\n\n"),
            ("bare CR", "CRs for all ends", b"GET /a HTTP/1.1\rHost: a\r\r"),
            ("bare LF", "behind a field", b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\nX"),
            ("HTTP/0.9", "a line alone", b"GET /a\r\n"),
            ("white space", "before a colon", b"GET /a HTTP/1.1\r\nHost : a\r\n"),
            ("obs-fold", "of a field", b"GET /a HTTP/1.1\r\nHost: a\r\n b\r\n"),
        )
    ],
    served(
        "9112-3",
        "too large",
        "at once: a request line",
        b"GET /" + b"a" * 8_190,
        414,
        then=CLOSES,
    ),
    served(
        "9110-15.5",
        "too large",
        "at once: a field",
        b"GET /a HTTP/1.1\r\nX-A: " + b"b" * 8_190,
        431,
        then=CLOSES,
    ),
]

CASES = [*AT_ONCE, *ENDS, *NAMES, *VALUES, *UNDERSCORES, *LARGE]
