"""Transfer-Encoding: beside a Content-Length, and in disguise.

The classes' names say which of the two the proxy in front and the server behind went by. Bodies
are the published ones: for CL.TE one that ends early when it is read in chunks, for TE.CL one
whose first chunk is the smuggled request.
"""

from tests.blackbox.client import request
from tests.smuggling.cases import NEXT, SMUGGLED, post, refused, served

__all__ = ["CASES"]

TE = "Transfer-Encoding: chunked"
END = b"0\r\n\r\n"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
#: All of it, to who goes by the length; nothing, to who goes by the chunks.
CL_TE = f"Content-Length: {len(END + SMUGGLED)}"
#: The smuggled request in a chunk, to who goes by the chunks; by the length, only its size.
HIDDEN = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
TE_CL = "Content-Length: 4"


def both(known, name, *lines, body=END, version="1.1"):
    """A POST with both, which is refused."""
    return refused("9112-6.1", known, name, post(*lines, body=body, version=version))


BOTH = [
    both("CL.TE", "the length first", CL_TE, TE),
    both("CL.TE", "the coding first", TE, CL_TE),
    both("CL.TE", "in lower case", CL_TE.lower(), TE.lower()),
    both("CL.TE", "in upper case", CL_TE.upper(), TE.upper()),
    both("CL.TE", "with a line between", CL_TE, "X-A: b", TE),
    both("CL.TE", "a length of zero", "Content-Length: 0", TE, body=CHUNKS),
    both("CL.TE", "a length that is right", f"Content-Length: {len(CHUNKS)}", TE, body=CHUNKS),
    both("CL.TE", "a length that is no number", "Content-Length: x", TE),
    both("CL.TE", "a negative length", "Content-Length: -1", TE),
    both("CL.TE", "an empty length", "Content-Length:", TE),
    both("CL.TE", "an unknown coding", CL_TE, "Transfer-Encoding: xchunked"),
    both("CVE-2021-33037", "identity", CL_TE, "Transfer-Encoding: identity"),
    both("CL.TE", "an empty coding", CL_TE, "Transfer-Encoding:"),
    refused("9112-6.1", "CL.TE", "in a GET", request("/a", CL_TE, TE) + END),
    both("CL.TE", "and Connection: close", CL_TE, TE, "Connection: close"),
    both("TE.CL", "the length first", TE_CL, TE, body=HIDDEN),
    both("CVE-2020-10109", "the coding first", TE, TE_CL, body=HIDDEN),
    both("CVE-2024-6827", "in other cases", TE_CL, "transfer-encoding: CHUNKED", body=HIDDEN),
    both("CVE-2017-7658", "two lengths and a coding", TE_CL, TE_CL, TE, body=HIDDEN),
    both("TE.CL", "the coding after a tab", TE_CL, "Transfer-Encoding:\tchunked", body=HIDDEN),
]


def hidden(known, name, line, status=400, section="9112-6.1"):
    """A length, and a coding in disguise: who does not see through it goes by the length."""
    return refused(section, known, name, post(TE_CL, line, body=HIDDEN), status)


def alone(known, name, text, status=400, section="9112-6.1"):
    """A coding that is not chunked, whatever it looks like."""
    line = b"Transfer-Encoding: " + text
    return refused(section, known, name, post(line, body=CHUNKS), status)


DISGUISED = [
    hidden("CVE-2019-16276", "space before the colon", "Transfer-Encoding : chunked"),
    hidden("TE.TE", "tab before the colon", "Transfer-Encoding\t: chunked"),
    hidden("CVE-2020-7238", "space before the name", " Transfer-Encoding: chunked"),
    hidden("TE.TE", "tab before the name", "\tTransfer-Encoding: chunked"),
    hidden(
        "TE.TE", "in a folded line", "X-A: b\r\n Transfer-Encoding: chunked", section="9112-5.2"
    ),
    hidden("CVE-2022-32215", "folded", "Transfer-Encoding:\r\n chunked", section="9112-5.2"),
    hidden("TE.TE", "folded in the word", "Transfer-Encoding: chun\r\n ked", section="9112-5.2"),
    hidden("TE.TE", "behind a bare LF", "X-A: b\nTransfer-Encoding: chunked", section="9112-2.2"),
    hidden("TE.TE", "behind a bare CR", "X-A: b\rTransfer-Encoding: chunked", section="9112-2.2"),
    hidden("TE.TE", "behind LF and CR", "X-A: b\n\rTransfer-Encoding: chunked", section="9112-2.2"),
    hidden("TE.TE", "CR in front", "\rTransfer-Encoding: chunked", section="9112-2.2"),
    hidden("TE.TE", "bare LF in the name", "Transfer-Encoding\n: chunked", section="9112-2.2"),
    hidden("TE.TE", "NUL in the name", "Transfer\0-Encoding: chunked", section="9110-5.1"),
    hidden("CVE-2021-43797", "control in front", "\x01Transfer-Encoding: chunked"),
    hidden("TE.TE", "no-break space in front", b"\xa0Transfer-Encoding: chunked"),
    hidden("TE.TE", "DEL behind the name", "Transfer-Encoding\x7f: chunked"),
    hidden("TE.TE", "vertical tab behind the name", "Transfer-Encoding\x0b: chunked"),
    hidden("TE.TE", "soft hyphen for a hyphen", b"Transfer\xadEncoding: chunked"),
    hidden("TE.TE", "space for a hyphen", "Transfer Encoding: chunked", section="9110-5.1"),
    hidden("CVE-2019-20444", "no colon", "Transfer-Encoding chunked", section="9112-5"),
    hidden("TE.TE", "semicolon for the colon", "Transfer-Encoding; chunked", section="9112-5"),
    hidden("TE.TE", "an empty name before it", ": x\r\nTransfer-Encoding: chunked"),
    alone("CVE-2019-18277", "vertical tab before", b"\x0bchunked"),
    alone("CVE-2019-16789", "form feed before", b"\x0cchunked"),
    alone("TE.TE", "vertical tab behind", b"chunked\x0b"),
    alone("CVE-2019-15605", "bare CR behind", b"chunked\r", section="9112-2.2"),
    alone("TE.TE", "bare LF before", b"\nchunked", section="9112-2.2"),
    alone("TE.TE", "NUL behind", b"chunked\0", section="9110-5.5"),
    alone("TE.TE", "no-break space before", b"\xa0chunked"),
    alone("TE.TE", "next line behind", b"chunked\x85"),
    alone("TE.TE", "high byte before", b"\xffchunked"),
    alone("TE.TE", "Kelvin sign for a K", "chun\u212aed".encode()),
    alone("TE.TE", "double quotes", b'"chunked"'),
    alone("TE.TE", "single quotes", b"'chunked'", 501),
    alone("TE.TE", "parameter", b"chunked;q=1"),
    alone("TE.TE", "semicolon", b"chunked;"),
    alone("TE.TE", "two words", b"chunked x"),
    alone("TE.TE", "space inside", b"chun ked"),
    alone("TE.TE", "a colon more", b": chunked"),
    alone("CVE-2024-1135", "letter before", b"xchunked", 501),
    alone("CVE-2024-1135", "letter behind", b"chunkedx", 501),
    alone("TE.TE", "one letter less", b"chunke", 501),
    alone("TE.TE", "empty", b""),
    alone("TE.TE", "comma only", b","),
    alone("TE.TE", "comma behind", b"chunked,"),
    alone("TE.TE", "comma before", b",chunked"),
    alone("CVE-2019-16786", "another before it", b"gzip, chunked", 501),
    alone("CVE-2021-33037", "not the last", b"chunked, gzip", 501, section="9112-6.3"),
    alone("CVE-2022-1705", "identity", b"identity", 501),
    alone("CVE-2022-32213", "identity behind it", b"chunked, identity", 501, section="9112-6.3"),
    alone("TE.TE", "identity before it", b"identity, chunked", 501),
    alone("TE.TE", "twice", b"chunked, chunked"),
]


def two(known, name, first, second, status=400):
    """Two lines."""
    lines = [f"Transfer-Encoding: {value}" for value in (first, second)]
    return refused("9112-6.1", known, name, post(*lines, body=CHUNKS), status)


TWO = [
    two("CVE-2020-8287", "equal", "chunked", "chunked"),
    two("CVE-2021-21299", "an unknown one behind", "chunked", "x"),
    two("TE.TE", "an unknown one before", "x", "chunked"),
    two("CVE-2020-8287", "identity behind", "chunked", "identity"),
    two("TE.TE", "an empty one before", "", "chunked"),
    refused(
        "9112-6.1",
        "TE.TE",
        "in two cases, with a line between",
        post(TE, "X-A: b", "transfer-encoding: identity", body=CHUNKS),
    ),
]

OLD = [
    refused("9112-6.1", "TE in HTTP/1.0", name, post(*lines, version="1.0", body=CHUNKS))
    for name, lines in {
        "alone": (TE,),
        "kept alive": (TE, "Connection: keep-alive"),
        "with a length": (TE, f"Content-Length: {len(CHUNKS)}"),
        "identity": ("Transfer-Encoding: identity",),
    }.items()
]

GOOD = [
    served(
        "9112-7.1",
        "TE",
        "a request in a chunk is a body",
        post(TE, body=HIDDEN),
        "POST /a " + SMUGGLED.decode(),
    ),
    served(
        "9112-7",
        "TE",
        "in any case, with tabs around",
        post("TRANSFER-encoding:\t CHUNKED \t", body=CHUNKS + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9110-10.1.4",
        "TE",
        "TE is another field",
        post("TE: chunked", "Connection: TE", "Content-Length: 5", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9110-8.4",
        "TE",
        "Content-Encoding is no framing",
        post("Content-Encoding: chunked", "Content-Length: 5", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
    served(
        "9110-5.1",
        "TE",
        "a name with a dot is another",
        post("Transfer.Encoding: chunked", "Content-Length: 5", body=b"hello" + NEXT),
        "POST /a hello",
        "GET /next",
    ),
]

CASES = [*BOTH, *DISGUISED, *TWO, *OLD, *GOOD]
