r"""Chunks: their sizes, extensions and ends, and the trailers behind the last.

Some classes are named after what two servers take for an end: in TERM.EXT a bare CR or LF ends the
line for one and is in an extension for the other; in SPILL two bytes behind a chunk are skipped
unseen.
"""

from tests.smuggling.cases import NEXT, SMUGGLED, WAITS, post, refused, served

__all__ = ["CASES"]

TE = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
GOOD_CHUNK = b"5\r\nhello\r\n"


def bad(section, known, name, body, status=400):
    """A POST in chunks that are refused; a whole body's end, and a request, are behind."""
    return refused(section, known, name, post(TE, body=body), status)


def good(section, known, name, body, saw="hello"):
    """A POST in chunks that are served, and what follows is the next request."""
    request = "POST /a" + (f" {saw}" if saw else "")
    return served(section, known, name, post(TE, body=body + NEXT), request, "GET /next")


def sized(name, size, known="chunk size", status=400):
    """A size, with five bytes and an end behind."""
    return bad("9112-7.1", known, name, size + b"\r\nhello\r\n" + END, status)


SIZES = [
    sized("hexadecimal prefix", b"0x5", "CVE-2022-24801"),
    sized("plus sign", b"+5", "CVE-2022-24801"),
    sized("minus sign", b"-5", "CVE-2022-24761"),
    sized("underscore", b"0_5", "CVE-2023-47627"),
    sized("space before", b" 5"),
    sized("tab before", b"\t5"),
    sized("space behind", b"5 "),
    sized("tab behind", b"5\t"),
    sized("space inside", b"0 5"),
    sized("empty", b""),
    sized("empty before an extension", b";a=b"),
    sized("no hexadecimal digit", b"g"),
    sized("letter behind", b"5g", "CVE-2015-3183"),
    sized("quotes", b'"5"'),
    sized("comma", b"5,5"),
    sized("fraction", b"5.0"),
    sized("NUL behind", b"5\0"),
    sized("vertical tab before", b"\x0b5"),
    sized("no-break space behind", b"5\xa0"),
    sized("Arabic digit", "\u0665".encode()),
    sized("2 to the 32nd and 5", b"100000005", "CVE-2017-7657", 413),
    sized("2 to the 63rd and 5", b"8000000000000005", "CVE-2021-32714", 413),
    sized("2 to the 64th and 5", b"10000000000000005", "CVE-2021-32714"),
    sized("2 to the 64th less 1", b"ffffffffffffffff", "CVE-2017-7657", 413),
    sized("300 digits", b"0" * 299 + b"5"),
    sized("5000 digits", b"0" * 4_999 + b"5"),
    sized("more than the server takes", b"40000001", status=413),
    bad("9112-7.1", "chunk size", "more in two chunks", GOOD_CHUNK + b"40000000\r\n", 413),
    bad("9112-7.1", "chunk size", "the last is negative", GOOD_CHUNK + b"-0\r\n\r\n"),
    bad("9112-7.1", "chunk size", "the last has a prefix", GOOD_CHUNK + b"0x0\r\n\r\n"),
    bad("9112-7.1", "chunk size", "the last is empty", GOOD_CHUNK + b"\r\n\r\n"),
]

ENDS = [
    bad("9112-7.1", "CVE-2025-22871", "bare LF behind the size", b"5\nhello\r\n" + END),
    bad("9112-7.1", "bare CR", "behind the size", b"5\rhello\r\n" + END),
    bad("9112-7.1", "bare CR", "and CRLF behind the size", b"5\r\r\nhello\r\n" + END),
    bad("9112-7.1", "bare LF", "and CR behind the size", b"5\n\rhello\r\n" + END),
    bad("9112-7.1", "CVE-2025-43859", "two bytes behind the data", b"5\r\nhelloXX" + END),
    bad("9112-7.1", "SPILL", "a size behind the data", b"5\r\nhello" + b"44\r\n" + END),
    bad("9112-7.1", "SPILL", "nothing behind the data", b"5\r\nhello" + END),
    bad("9112-7.1", "ONE.TWO", "bare LF behind the data", b"5\r\nhello\n" + END),
    bad("9112-7.1", "ONE.TWO", "bare CR behind the data", b"5\r\nhello\r" + END),
    bad("9112-7.1", "SPILL", "LF and CR behind the data", b"5\r\nhello\n\r" + END),
    bad("9112-7.1", "SPILL", "CR and a byte behind the data", b"5\r\nhello\rX" + END),
    bad("9112-7.1", "SPILL", "more data than the size", b"5\r\nhello world\r\n" + END),
    bad("9112-7.1", "SPILL", "less data than the size", b"5\r\nhel\r\n" + END),
    bad("9112-7.1", "bare LF", "behind the last size", GOOD_CHUNK + b"0\n\r\n"),
    bad("9112-7.1", "bare LF", "for the last end", GOOD_CHUNK + b"0\r\n\n"),
    bad("9112-7.1", "bare CR", "for the last end", GOOD_CHUNK + b"0\r\n\r"),
    bad("9112-7.1", "CVE-2019-16785", "bare LFs for all ends", b"5\nhello\n0\n\n"),
    bad("9112-7.1", "missing end", "the next request behind the last size", b"0\r\n"),
    bad("9112-7.1", "missing end", "data behind the last size", b"0\r\nhello\r\n" + END),
]

EXTENSIONS = [
    bad("9112-7.1.1", "CVE-2025-55315", "bare LF in one", b"5;a\nhello\r\n" + END),
    bad("9112-7.1.1", "CVE-2025-58056", "bare LF at its end", b"5;\nhello\r\n" + END),
    bad("9112-7.1.1", "TERM.EXT", "bare CR in one", b"5;a\rhello\r\n" + END),
    bad(
        "9112-7.1.1",
        "TERM.EXT",
        "a request behind a bare LF",
        b"2;\nxx\r\n%x\r\n0\r\n\r\n%b\r\n" % (len(SMUGGLED) + 5, SMUGGLED) + END,
    ),
    bad("9112-7.1.1", "EXT.TERM", "bare LF in a quoted value", b'5;a="\n"\r\nhello\r\n' + END),
    bad("9112-7.1.1", "EXT.TERM", "bare CR in a quoted value", b'5;a="\r"\r\nhello\r\n' + END),
    bad("9112-7.1.1", "CVE-2026-33870", "CRLF in a quoted value", b'5;a="\r\n"\r\nhello\r\n' + END),
    bad("9112-7.1.1", "EXT.TERM", "escaped CRLF in quotes", b'5;a="\\\r\n"\r\nhello\r\n' + END),
    bad("9112-7.1.1", "EXT.TERM", "quotes that do not end", b'5;a="b\r\nhello\r\n' + END),
    bad("9112-7.1.1", "chunk extension", "an escape at the end", b'5;a="b\\"\r\nhello\r\n' + END),
    bad("9112-7.1.1", "chunk extension", "NUL in one", b"5;a\0\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "a space for a semicolon", b"5 a\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "no name", b"5;\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "two semicolons", b"5;;a\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "no value", b"5;a=\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "delimiters in one", b"5;a(b)\r\nhello\r\n" + END),
    bad("9112-7.1.1", "chunk extension", "high bytes without quotes", b"5;\xe9\r\nhello\r\n" + END),
    bad("9112-7.1.1", "TERM.EXT", "bare LF in the last", GOOD_CHUNK + b"0;a\n\r\n"),
    bad("9112-7.1.1", "CVE-2024-21647", "too long", b"5;" + b"a" * 5_000 + b"\r\nhello\r\n" + END),
    bad(
        "9112-7.1.1",
        "CVE-2023-39326",
        "too many for little data",
        (b"1;" + b"a" * 1_000 + b"\r\nx\r\n") * 20 + END,
    ),
    good("9112-7.1.1", "CVE-2021-22960", "a name", b"5;a\r\nhello\r\n" + END),
    good("9112-7.1.1", "chunk extension", "white space", b"5 ;\ta = b\r\nhello\r\n" + END),
    good("9112-7.1.1", "chunk extension", "two", b"5;a=b;c=d\r\nhello\r\n" + END),
    good("9112-7.1.1", "chunk extension", "escaped quotes", b'5;a="\\""\r\nhello\r\n' + END),
    good("9112-7.1.1", "EXT.TERM", "a chunk in quotes", b'5;a=";0"\r\nhello\r\n0;b="c"\r\n\r\n'),
]


def trailed(known, name, lines, status=400, section="9112-7.1.2"):
    """A body with trailers that are refused."""
    return bad(section, known, name, GOOD_CHUNK + b"0\r\n" + lines + b"\r\n\r\n", status)


def ignored(known, name, lines):
    """A body with trailers that are dropped: RFC 9110 section 6.5.1 keeps them apart."""
    return good("9110-6.5.1", known, name, GOOD_CHUNK + b"0\r\n" + lines + b"\r\n\r\n")


TRAILERS = [
    ignored("CVE-2023-41419", "one", b"X-A: b"),
    ignored("CVE-2025-53643", "two", b"X-A: b\r\nX-B: c"),
    ignored("CVE-2023-40175", "Content-Length", b"Content-Length: 44"),
    ignored("trailer", "Transfer-Encoding", b"Transfer-Encoding: chunked"),
    ignored("trailer", "Host", b"Host: evil.example"),
    ignored("trailer", "Connection: close", b"Connection: close"),
    ignored("trailer", "Expect", b"Expect: 100-continue"),
    ignored("trailer", "an upgrade", b"Connection: upgrade\r\nUpgrade: h2c"),
    ignored("trailer", "Content-Length twice", b"Content-Length: 4\r\nContent-Length: 5"),
    good("9112-7.1.2", "trailer", "without data", b"0\r\nX-A: b\r\n\r\n", ""),
    served(
        "9110-6.5.1",
        "trailer",
        "Host and a field of the head are the head's",
        post(
            TE, "X-A: good", target="/told/a", body=b"0\r\nHost: evil\r\nX-A: evil\r\n\r\n" + NEXT
        ),
        "POST /told/a example.org /told/a good",
        "GET /next",
    ),
    served(
        "9110-6.5.1",
        "trailer",
        "a field is not one of the head",
        post(TE, target="/told/a", body=b"0\r\nX-A: evil\r\n\r\n" + NEXT),
        "POST /told/a example.org /told/a -",
        "GET /next",
    ),
    trailed("CVE-2023-41419", "a request", SMUGGLED[:-4]),
    trailed("trailer", "no colon", b"X-A"),
    trailed("trailer", "an empty name", b": b"),
    trailed("trailer", "space before the colon", b"X-A : b"),
    trailed("trailer", "folded", b"X-A: b\r\n c", section="9112-5.2"),
    trailed("trailer", "space before the name", b" X-A: b", section="9112-5.2"),
    trailed("bare LF", "behind a trailer", b"X-A: b\nX-B: c", section="9112-2.2"),
    trailed("bare CR", "in a trailer", b"X-A: b\rX-B: c", section="9112-2.2"),
    trailed("trailer", "NUL in one", b"X-A: \0", section="9110-5.5"),
    trailed("CVE-2023-46589", "too large", b"X-A: " + b"b" * 9_000, 431),
    trailed("CVE-2023-46589", "too many", b"\r\n".join([b"X-A: b"] * 101), 431),
    trailed("trailer", "a request behind a bare LF", b"X-A: b\n\n" + SMUGGLED[:-4]),
]

WHOLE = [
    good("9112-7.1", "chunk size", "zeros in front", b"0005\r\nhello\r\n000\r\n\r\n"),
    good("9112-7.1", "chunk size", "an end as data", b"5\r\n0\r\n\r\n\r\n" + END, "0\r\n\r\n"),
    good("9112-7.1", "chunk size", "line ends as data", b"4\r\n\r\n\r\n\r\n" + END, "\r\n\r\n"),
    good("9112-7.1", "chunk size", "no data", END, ""),
    good("9112-7.1", "chunk size", "a byte in each", b"1\r\na\r\n1\r\nb\r\n" + END, "ab"),
    served(
        "9112-8",
        "missing end",
        "the last chunk does not come",
        post(TE, body=GOOD_CHUNK),
        then=WAITS,
    ),
    served("9112-8", "missing end", "half a size", post(TE, body=GOOD_CHUNK + b"4"), then=WAITS),
    served(
        "9112-8",
        "missing end",
        "the empty line does not come",
        post(TE, body=GOOD_CHUNK + b"0\r\nX-A: b\r\n"),
        then=WAITS,
    ),
    served(
        "9112-8",
        "missing end",
        "a chunk that takes up the next request",
        post(TE, body=b"ff\r\n" + SMUGGLED),
        then=WAITS,
    ),
]

CASES = [*SIZES, *ENDS, *EXTENSIONS, *TRAILERS, *WHOLE]
