"""Flask, Django, Falcon and Bottle on a real socket: each serves the same site.

FRAMEWORKS_SERVER=pywsgi runs them on gevent.pywsgi instead, to tell a server's fault from a test's.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from socket import SHUT_WR, create_connection
from urllib.parse import quote

import pytest
from urllib3.exceptions import ProtocolError

from tests.frameworks import parts
from tests.frameworks.conftest import SERVER, gpool_only

VALIDATED = {"X-Validated": "yes"}
LARGE = bytes(range(256)) * 8_192  # 2 MB


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def chunks(data, size=60_000):
    return (data[start : start + size] for start in range(0, len(data), size))


def test_a_page_gets_its_query_in_unicode(client):
    fields = [("name", "Zoë 日本"), ("tag", "a&b"), ("tag", "ü")]
    answer = client.request("GET", "/greet", fields=fields)
    assert answer.status == 200
    assert answer.data.decode() == "hello Zoë 日本: a&b, ü"


@pytest.mark.parametrize("title", ["plain", "été 日本", "100%", "a+b"])
def test_a_path_is_decoded(client, title):
    answer = client.request("GET", f"/page/{quote(title)}")
    assert (answer.status, answer.data.decode()) == (200, title)


def test_a_form_arrives(client):
    fields = {"name": ["Zoë & co"], "colour": ["red", "grün"]}
    body = "name=Zo%C3%AB+%26+co&colour=red&colour=gr%C3%BCn"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.request("POST", "/form", body=body, headers=headers)
    assert (answer.status, answer.json()) == (200, fields)


@pytest.mark.parametrize("data", [LARGE[:1_024], LARGE], ids=["1 KB", "2 MB"])
def test_an_upload_arrives_whole(client, data):
    fields = {"note": "kept", "file": ("report.bin", data, "application/octet-stream")}
    answer = client.request("POST", "/upload", fields=fields)
    assert answer.status == 200
    expected = {"name": "report.bin", "note": "kept", "size": len(data), "sha256": sha256(data)}
    assert answer.json() == expected


def test_a_streamed_answer_comes_in_chunks(client):
    answer = client.request("GET", "/stream?count=100", preload_content=False)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert answer.read() == b"".join(b"line %d\n" % number for number in range(100))


def test_a_streamed_answer_ends_with_the_connection_for_an_http_1_0_client(site):
    client = create_connection(("127.0.0.1", site.port), 20)
    with client, client.makefile("rb") as answer:
        client.sendall(b"GET /stream?count=3 HTTP/1.0\r\n\r\n")
        head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.split()[1] == b"200" and b"chunked" not in head
    assert body == b"line 0\nline 1\nline 2\n"


def test_a_large_file_is_downloaded_by_the_servers_file_wrapper(client):
    before = int(client.request("GET", "/wrapped").data)
    answer = client.request("GET", "/download")
    assert answer.status == 200 and answer.data == parts.content()
    assert answer.headers["Content-Length"] == str(len(answer.data))
    assert "large.bin" in answer.headers["Content-Disposition"]
    if SERVER != "pywsgi":  # which has none
        assert int(client.request("GET", "/wrapped").data) == before + 1


def test_a_range_of_a_file_is_sent_by_frameworks_that_have_ranges(site, client):
    answer = client.request("GET", "/download", headers={"Range": "bytes=70001-170000"})
    if site.name in {"flask", "bottle"}:
        assert (answer.status, answer.data) == (206, parts.content()[70_001:170_001])
    else:
        assert (answer.status, answer.data) == (200, parts.content())


def test_head_has_the_headers_and_no_body(site, plain):
    if site.name == "django":
        gpool_only("sends the body, which Django leaves to the server to drop")
    for target in ["/greet?name=me", "/download"]:
        plain.request("HEAD", target)
        head = plain.getresponse()
        assert (head.status, head.read()) == (200, b"")
        plain.request("GET", target)  # on the same connection: a body would be in the way
        get = plain.getresponse()
        assert head.getheader("Content-Type") == get.getheader("Content-Type")
        assert head.getheader("Content-Length") in {None, str(len(get.read()))}


def test_head_of_a_streamed_answer_does_not_say_that_it_is_empty(client):
    head = client.request("HEAD", "/stream?count=3")
    assert (head.status, head.data) == (200, b"")
    assert "Content-Length" not in head.headers  # RFC 9110 section 8.6: GET's, or none


def test_options_tells_the_methods(client):
    answer = client.request("OPTIONS", "/greet")
    assert answer.status in {200, 204} and "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_leads_to_its_page(site, client, method):
    if site.name == "bottle":  # redirects to an absolute URL, which urllib3 then asks for
        gpool_only("takes an absolute-form target for a path")
    answer = client.request(method, "/move", redirect=False)
    assert answer.status == 303 and answer.headers["Location"].endswith("/greet?name=moved")
    assert client.request(method, "/move").data == b"hello moved: "


def test_cookies_are_set_one_by_one_and_come_back(client):
    answer = client.request("GET", "/cookies/set")
    pairs = [line.split(";")[0] for line in answer.headers.getlist("Set-Cookie")]
    assert sorted(pairs) == ["fruit=apple", "tree=oak"]
    answer = client.request("GET", "/cookies", headers={"Cookie": "; ".join(pairs)})
    assert answer.json() == parts.COOKIES


def test_json_goes_there_and_back(client):
    data = {"text": "日本", "numbers": [1, 2.5, None], "inner": {"true": True}}
    answer = client.request("POST", "/json", json=data)
    assert (answer.status, answer.json()) == (200, data)


def test_an_error_is_a_500_and_the_site_serves_on(client):
    for _ in range(3):
        assert client.request("GET", "/fail").status == 500
        assert client.request("GET", "/greet?name=me").data == b"hello me: "


def test_an_error_in_the_middle_of_an_answer_is_no_end_of_it(client):
    answer = client.request("GET", "/fail/late", preload_content=False)
    assert answer.status == 200
    with pytest.raises(ProtocolError):
        answer.read()
    assert client.request("GET", "/greet?name=me").data == b"hello me: "


@pytest.mark.parametrize("path", ["/missing", "/no/such/route"])
def test_what_is_not_there_is_a_404(client, path):
    assert client.request("GET", path).status == 404


def test_a_204_has_no_body(client):
    for _ in range(2):
        answer = client.request("DELETE", "/nothing")
        assert (answer.status, answer.data) == (204, b"")
        assert "Transfer-Encoding" not in answer.headers
    assert client.num_connections == 1


@pytest.mark.parametrize("size", [0, 5, len(LARGE)])
@pytest.mark.parametrize("framing", [bytes, chunks])
def test_a_body_is_read_in_pieces(client, size, framing):
    data = LARGE[:size]
    answer = client.request("PUT", "/pieces", body=framing(data))
    assert (answer.status, answer.json()) == (200, {"size": size, "sha256": sha256(data)})
    assert client.num_connections == 1


def test_a_body_that_no_handler_reads_is_not_the_next_request(plain):
    for _ in range(2):
        plain.request("POST", "/greet", b"GET /stream?count=1 HTTP/1.1\r\n\r\n" * 1_000)
        answer = plain.getresponse()
        assert answer.status == 405 and answer.read() is not None
        plain.request("GET", "/greet?name=me")
        assert plain.getresponse().read() == b"hello me: "


def test_a_page_the_client_has_is_a_304_without_a_body(client):
    first = client.request("GET", "/dated")
    assert (first.status, first.data) == (200, parts.DATED.encode())
    again = client.request("GET", "/dated", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.request("GET", "/dated").status == 200
    assert client.num_connections == 1


def test_an_answer_is_closed_when_its_client_goes_away(site, client):
    with create_connection(("127.0.0.1", site.port), 20) as leaving:
        leaving.sendall(b"GET /endless HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert leaving.recv(1_000)
    assert client.request("GET", "/closed").json() == {"closed": True}


def test_one_connection_carries_the_whole_site(client):
    for path in ["/greet?name=me", "/stream?count=9", "/download", "/fail", "/missing", "/dated"]:
        client.request("GET", path)
    client.request("POST", "/json", json=list(range(1_000)))
    client.request("PUT", "/pieces", body=chunks(LARGE))
    assert client.num_connections == 1


def test_an_upload_that_breaks_off_ends_its_own_request_only(site, client):
    head = b"PUT /pieces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(LARGE)
    leaving = create_connection(("127.0.0.1", site.port), 20)
    with leaving, leaving.makefile("rb") as answer:
        leaving.sendall(head + LARGE[:-1])
        leaving.shutdown(SHUT_WR)
        assert b" 200 " not in answer.read().split(b"\r\n")[0]
    assert client.request("GET", "/greet?name=me").data == b"hello me: "


def test_uploads_at_the_same_time_are_not_mixed(site):
    def upload(number):
        data = bytes([number]) * 300_000
        fields = {"note": str(number), "file": (f"{number}.bin", data)}
        answer = clients.request("POST", "/upload", fields=fields).json()
        named = {"name": f"{number}.bin", "note": str(number)}
        return answer == named | {"size": len(data), "sha256": sha256(data)}

    with site.clients(8) as clients, ThreadPoolExecutor(8) as threads:
        assert all(threads.map(upload, range(40)))


BASIC = [
    ("GET", "/greet?name=me&tag=a", {}, 200),
    ("HEAD", "/greet?name=me&tag=a", {}, 200),
    ("OPTIONS", "/greet", {}, 200),
    ("POST", "/form", {"fields": {"name": "me"}, "encode_multipart": False}, 200),
    ("POST", "/upload", {"fields": {"note": "", "file": ("name", LARGE)}}, 200),
    ("GET", "/stream?count=3", {}, 200),
    ("GET", "/download", {}, 200),
    ("GET", "/cookies/set", {}, 200),
    ("GET", "/move", {"redirect": False}, 303),
    ("GET", "/missing", {}, 404),
    ("PUT", "/pieces", {"body": LARGE}, 200),
]


@pytest.mark.parametrize("view", BASIC, ids=lambda view: f"{view[0]} {view[1]}")
def test_wsgiref_finds_nothing_wrong_with_either_side(site, client, view):
    method, path, body, status = view
    if (site.name, method) == ("django", "HEAD"):
        gpool_only("sends the body, which Django leaves to the server to drop")
    before = len(site.errors())
    answer = client.request(method, path, headers=VALIDATED, **body)
    said = site.errors()[before:]
    assert answer.status == status, said
    assert "AssertionError" not in said and "without being closed" not in said
