"""Content-Length: two of them, and numbers that two servers read differently.

Each body is such that one reading takes the smuggled request for a part of it, and another for the
next request.
"""

from tests.smuggling.cases import NEXT, SMUGGLED, WAITS, post, refused, served

__all__ = ["CASES"]

LONG = f"Content-Length: {5 + len(SMUGGLED)}"
SHORT = "Content-Length: 5"


def bad(section, known, name, *lines, status=400):
    """A POST with five bytes, a smuggled request behind them, and lengths that are refused."""
    return refused(section, known, name, post(*lines, body=b"hello"), status)


def value(name, text, status=400, known="CL"):
    """The same, with a value of Content-Length that is no number."""
    line = b"Content-Length: " + text if isinstance(text, bytes) else f"Content-Length: {text}"
    return bad("9110-8.6", known, name, line, status=status)


TWO = [
    bad("9112-6.3", "CL.CL", "the short one first", SHORT, LONG),
    bad("9112-6.3", "CL.CL", "the long one first", LONG, SHORT),
    bad("9112-6.3", "CVE-2019-16792", "equal, in two lines", SHORT, SHORT),
    bad("9112-6.3", "CVE-2020-10108", "the second is zero", SHORT, "Content-Length: 0"),
    bad("9112-6.3", "CL.CL", "the first is zero", "Content-Length: 0", SHORT),
    bad("9112-6.3", "CVE-2019-20445", "in another case", SHORT, LONG.lower()),
    bad("9112-6.3", "CL.CL", "with a line between", SHORT, "X-A: b", LONG),
    bad("9112-6.3", "CL.CL", "the second is empty", SHORT, "Content-Length:"),
    bad("9112-6.3", "CVE-2023-40225", "the first is empty", "Content-Length:", SHORT),
    bad("9112-6.3", "CL.CL", "the second is no number", SHORT, "Content-Length: x"),
    bad("9112-6.3", "CL.CL", "the same number in other digits", SHORT, "Content-Length: 05"),
    bad("9110-8.6", "CL.CL", "a list of different ones", f"{SHORT}, 44"),
    bad("9110-8.6", "CL.CL", "a list of equal ones", f"{SHORT}, 5"),
    bad("9110-8.6", "CL.CL", "a list, and one more", f"{SHORT}, 5", SHORT),
    bad("9112-5.1", "CL.CL", "one before Host, one behind", SHORT, "X-A: b", "X-B: c", SHORT),
    refused(
        "9112-6.3",
        "CL.CL",
        "in HTTP/1.0",
        post(SHORT, LONG, "Connection: keep-alive", version="1.0", body=b"hello"),
    ),
]

VALUES = [
    value("plus sign", "+5", known="CVE-2021-32715"),
    value("minus sign", "-5", known="CVE-2022-42252"),
    value("negative zero", "-0"),
    value("plus zero", "+0"),
    value("hexadecimal prefix", "0x5", known="CVE-2023-38697"),
    value("octal prefix", "0o5"),
    value("hexadecimal digit", "a"),
    value("underscore", "1_0", known="CVE-2023-47627"),
    value("space inside", "1 0"),
    value("tab inside", "1\t0"),
    value("comma behind", "5,"),
    value("comma before", ",5"),
    value("semicolon behind", "5;"),
    value("semicolon and a parameter", "5;q=1"),
    value("quotes", '"5"'),
    value("fraction", "5.0"),
    value("exponent", "5e0"),
    value("word behind", "5 x"),
    value("letter behind", "5x"),
    value("empty", "", known="CVE-2023-40225"),
    value("white space only", " \t ", known="CVE-2023-40175"),
    value("no-break space before", b"\xa05"),
    value("next line behind", b"5\x85"),
    value("vertical tab before", b"\x0b5", known="CVE-2019-16789"),
    value("form feed behind", b"5\x0c", known="CVE-2019-16789"),
    value("NUL behind", b"5\0"),
    value("bare CR behind", b"5\r"),
    value("bare CR and another number", b"5\r44"),
    value("bare LF before", b"\n5", known="0.CL"),
    value("superscript digit", b"\xb2"),
    value("Arabic digit", "\u0665".encode()),
    value("2 to the 32nd and 5", "4294967301", 413, known="CL overflow"),
    value("2 to the 64th and 5", "18446744073709551621", 413, known="CL overflow"),
    value("21 digits", "100000000000000000005", known="CL overflow"),
    value("5000 digits", "0" * 4_999 + "5", known="CL overflow"),
    value("more than the server takes", str((1 << 30) + 1), 413, known="CL"),
]

NAMES = [
    bad("9112-5.1", "0.CL", "space before the colon", f"Content-Length : {len(SMUGGLED)}"),
    bad("9112-5.1", "0.CL", "tab before the colon", "Content-Length\t: 5"),
    bad("9112-5.2", "CVE-2024-27982", "space before the name", " Content-Length: 5"),
    bad("9112-5.2", "0.CL", "the number in a folded line", "Content-Length:\r\n 5"),
    bad("9112-5.2", "0.CL", "digits behind a fold", "Content-Length: 0\r\n 5"),
    bad("9110-5.1", "0.CL", "NUL before the name", b"\0Content-Length: 5"),
    bad("9110-5.1", "0.CL", "NUL in the name", b"Content\0-Length: 5"),
    bad("9110-5.1", "0.CL", "soft hyphen in the name", b"Content\xadLength: 5"),
    bad("9110-5.1", "0.CL", "space in the name", "Content Length: 5"),
    bad(
        "9110-5.1",
        "CVE-2021-40346",
        "a name that overflows eight bits, and ends in zero",
        "Content-Length0" + "a" * 255 + ":",
        "Content-Length: 5 x",
    ),
    served(
        "9110-5.1",
        "CVE-2021-40346",
        "a name that overflows eight bits, and a good length",
        post("Content-Length0" + "a" * 255 + ":", LONG, body=b"hello" + SMUGGLED),
        "POST /a hello" + SMUGGLED.decode(),
    ),
    served(
        "9112-6.3",
        "0.CL",
        "another field whose name ends the same",
        post("X-Content-Length: 5", body=NEXT),
        "POST /a",
        "GET /next",
    ),
]

GOOD = [
    served(
        "9112-6.2",
        "CL",
        "a request as a body",
        post(f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED),
        "POST /a " + SMUGGLED.decode(),
    ),
    served(
        "9110-8.6",
        "CL",
        "zeros in front are of the number",
        post("Content-Length: 0005", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9110-5.5",
        "CL",
        "tabs and spaces around are not of the number",
        post("Content-Length:\t 5 \t", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9112-6.3",
        "0.CL",
        "no length is no body, and what follows is a request",
        post(body=NEXT),
        "POST /a",
        "GET /next",
    ),
    refused(
        "9112-6.3",
        "0.CL",
        "a length of zero, and a body that is no request",
        post("Content-Length: 0", body=b"hello\r\n"),
        "POST /a",
    ),
    served(
        "9112-6.2",
        "CL",
        "what is longer than its length goes on as a request",
        post(
            "Content-Length: 5", body=b"hello" + post("Content-Length: 2", target="/b", body=b"hi")
        ),
        "POST /a hello",
        "POST /b hi",
    ),
    served(
        "9112-8",
        "CL",
        "what is shorter than its length is waited for",
        post("Content-Length: 60", body=b"hello" + SMUGGLED[:40]),
        then=WAITS,
    ),
]

CASES = [*TWO, *VALUES, *NAMES, *GOOD]
