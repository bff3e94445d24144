"""The environ: PEP 3333, "environ Variables", and RFC 3875 for the older ones."""

import ast

import pytest

from tests.blackbox.client import chunked, planned, request

STRINGS = [
    "REQUEST_METHOD",
    "PATH_INFO",
    "QUERY_STRING",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "RAW_URI",
    "REQUEST_URI",
    "SERVER_SOFTWARE",
    "wsgi.url_scheme",
]
FLAGS = {
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REQUEST_METHOD": "GET",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "example.org",
}


@pytest.fixture
def environ(server):
    return server.environ(request("/show?a=b"))


@pytest.mark.parametrize("key", STRINGS)
def test_strings_are_strings(environ, key):
    assert environ["types"][key] == "str"
    assert type(environ[key]) is str


@pytest.mark.parametrize(("key", "value"), FLAGS.items(), ids=list(FLAGS))
def test_values_that_are_known(environ, key, value):
    assert type(environ[key]) is type(value)
    assert environ[key] == value


@pytest.mark.parametrize("key", ["wsgi.input", "wsgi.errors", "wsgi.multiprocess"])
def test_what_must_be_there(environ, key):
    assert key in environ


def test_multiprocess_is_a_bool(environ):
    assert type(environ["wsgi.multiprocess"]) is bool


def test_all_that_http_and_cgi_define_are_strings(environ):
    assert {kind for key, kind in environ["types"].items() if key.isupper()} == {"str"}


def test_an_environ_is_a_dict(environ):
    # PEP 3333: "a Python dictionary (not a subclass, UserDict or other dictionary emulation)".
    assert environ["type"] == "dict"


def test_script_name_is_empty_or_absent(environ):
    assert environ.get("SCRIPT_NAME", "") == ""


def test_the_port_is_the_servers(server, environ):
    assert environ["SERVER_PORT"] == str(server.port)


def test_the_clients_port_is_its_own(server):
    with server.connect() as client:
        response = client.send(request("/show")).response()
        port = str(client.socket.getsockname()[1])
        assert ast.literal_eval(response.body.decode())["REMOTE_PORT"] == port


def test_without_a_body_there_is_no_length_and_no_type(environ):
    # PEP 3333: "may be empty or missing".
    assert environ.get("CONTENT_LENGTH", "") == ""
    assert environ.get("CONTENT_TYPE", "") == ""


def test_length_and_type_of_a_body(server):
    lines = ("Content-Type: text/plain; charset=utf-8",)
    environ = server.environ(request("/show", *lines, method="POST", body=b"hello"))
    assert environ["CONTENT_LENGTH"] == "5"
    assert environ["CONTENT_TYPE"] == "text/plain; charset=utf-8"
    assert environ["types"]["CONTENT_LENGTH"] == "str"


def test_length_and_type_are_not_there_twice(server):
    data = request("/show", "Content-Type: a/b", method="POST", body=b"hello")
    environ = server.environ(data)
    assert "HTTP_CONTENT_LENGTH" not in environ
    assert "HTTP_CONTENT_TYPE" not in environ


def test_a_length_of_zero_is_there(server):
    assert server.environ(request("/show", method="POST", body=b""))["CONTENT_LENGTH"] in ("0", "")


def test_no_environment_variable_of_the_process_leaks(environ):
    assert not {"PATH", "HOME", "PYTHONPATH"} & set(environ)


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_the_protocol_is_the_requests(server, version):
    environ = server.environ(request("/show", version=version))
    assert environ["SERVER_PROTOCOL"] == f"HTTP/{version}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_the_method_is_the_requests(server, method):
    assert server.environ(request("/show", method=method))["REQUEST_METHOD"] == method


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("Accept: */*", "HTTP_ACCEPT", "*/*"),
        ("User-Agent: test/1 (x)", "HTTP_USER_AGENT", "test/1 (x)"),
        ("X-Forwarded-For: 10.0.0.1, 10.0.0.2", "HTTP_X_FORWARDED_FOR", "10.0.0.1, 10.0.0.2"),
        ("Authorization: Basic YTpi", "HTTP_AUTHORIZATION", "Basic YTpi"),
        ("Cookie: a=b; c=d", "HTTP_COOKIE", "a=b; c=d"),
        ("X--Two: x", "HTTP_X__TWO", "x"),
        ("x-lower: x", "HTTP_X_LOWER", "x"),
        ("Proxy: http://evil.example", "HTTP_PROXY", "http://evil.example"),
    ],
    ids=lambda value: value.split(":")[0] if ":" in value else None,
)
def test_fields_are_there_by_their_names(server, line, key, value):
    environ = server.environ(request("/show", line))
    if key == "HTTP_PROXY":  # a server may leave it out, because of CVE-2016-5385
        assert environ.get(key, value) == value
    else:
        assert environ[key] == value


@pytest.mark.parametrize("name", ["Server-Name", "Remote-Addr", "Path-Info", "Request-Method"])
def test_a_field_cannot_pass_for_a_variable(server, name):
    environ = server.environ(request("/show", f"{name}: evil"))
    key = name.upper().replace("-", "_")
    assert environ[key] != "evil"
    assert environ[f"HTTP_{key}"] == "evil"


def test_what_one_request_does_to_its_environ_the_next_does_not_see(server):
    with server.connect() as client:
        answers = [client.send(request("/mutate")).response().body for _ in range(3)]
    assert len(set(answers)) == 1
    leaked, name, version = ast.literal_eval(answers[0].decode())
    assert (leaked, version) == (None, (1, 0))
    assert name != "mutated"
    environ = server.environ(request("/show"))
    assert "leaked" not in environ
    assert environ["REQUEST_METHOD"] == "GET"


def test_fields_of_one_request_are_not_seen_in_the_next(server):
    with server.connect() as client:
        client.send(request("/show", "X-A: b", "Cookie: a=b", method="POST", body=b"hello"))
        client.response()
        response = client.send(request("/show")).response()
        environ = ast.literal_eval(response.body.decode())
    assert not {"HTTP_X_A", "HTTP_COOKIE"} & set(environ)
    assert environ.get("CONTENT_LENGTH", "") == ""


def test_errors_can_be_written_to(server):
    # PEP 3333: write(), writelines() and flush() are all there must be.
    assert server.get("/errors").body == b"written"


def test_chunked_is_not_seen_as_a_length_that_is_wrong(server):
    lines = ("Transfer-Encoding: chunked",)
    environ = server.environ(request("/show", *lines, method="POST") + chunked(b"ab", b"c"))
    assert environ.get("CONTENT_LENGTH", "") in ("", "3")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1", "[::2]:3"])
def test_the_name_of_the_server_is_never_empty(server, host):
    # PEP 3333: "SERVER_NAME and SERVER_PORT can never be empty strings".
    environ = server.environ(request("/show", host=host))
    assert environ["SERVER_NAME"]
    assert environ["SERVER_PORT"].isdigit()


def test_an_application_may_take_things_out_of_its_environ(server):
    # As `mutate` does with values; the server needs none of them afterwards.
    with server.connect() as client:
        client.send(request("/mutate", method="POST", body=b"unread") + request("/hello"))
        assert client.response().status == 200
        assert client.response().body == b"hello"


def test_the_plan_of_these_tests_works(server):
    token = server.token()
    response = server.ask(planned(token=token, iterate=[("note", "noted"), ("yield", b"x")]))
    assert response.body == b"x"
    assert server.events(token, "closed") == ["called", "noted", "closed"]
