"""What proxies say of their clients: who is believed, and how much."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpool.trusted import Trusted
from gpool.wsgi.forwarded import BELIEVED, HEADERS, Forwarded, believing

ALL = ",".join(HEADERS)
LEGACY = ",".join(HEADERS.keys() - {"forwarded"})
PROXIES = "10.0.0.0/8,fd00::/8,unix"
PEER = ("10.0.0.1", "4000")


def environ(peer=PEER, **changes):
    """What a server on port 8000 has, without a proxy's headers."""
    return {
        "REMOTE_ADDR": peer[0],
        "REMOTE_PORT": peer[1],
        "HTTP_HOST": "internal:8000",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/app/page",
        "wsgi.url_scheme": "http",
    } | changes


def seen(headers, believed=LEGACY, peer=PEER, trusted=PROXIES, **changes):
    """What the application sees that is not as it was."""
    found = []
    middleware = Forwarded(lambda env, _: found.append(env) or [b""], Trusted(trusted), believed)
    before = environ(peer, **changes)
    before |= {"HTTP_" + name.upper().replace("-", "_"): value for name, value in headers.items()}
    assert middleware(dict(before), lambda *_: None) == [b""]
    names = [name.lower() for name in headers]
    named = [name.strip().lower() for name in believed.split(",")]
    believes = Trusted(trusted).host(peer[0]) and not set(names).isdisjoint(named)
    assert found[0].pop("gpool.peer", None) == (peer if believes else None)
    return {key: value for key, value in found[0].items() if before.get(key) != value}


def client(headers, **named):
    """REMOTE_ADDR and REMOTE_PORT; None if they are the proxy's."""
    changes = seen(headers, **named)
    if "REMOTE_ADDR" not in changes:
        return None
    return changes["REMOTE_ADDR"], changes.get("REMOTE_PORT", "")


# ---------------------------------------------------------------------- who is believed

EVERYTHING = {
    "Forwarded": "for=192.0.2.1;proto=https;host=example.com",
    "X-Forwarded-For": "192.0.2.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-Host": "example.com",
    "X-Forwarded-Port": "8443",
    "X-Forwarded-Prefix": "/app",
}


@pytest.mark.parametrize("believed", [ALL, LEGACY, "forwarded", BELIEVED])
@pytest.mark.parametrize("peer", [("192.0.2.9", "1"), ("11.0.0.1", "1"), ("fc00::1", "1")])
def test_who_is_not_trusted_changes_nothing(believed, peer):
    assert seen(EVERYTHING, believed, peer) == {}


def test_who_comes_from_a_unix_socket_is_believed_only_if_that_is_named():
    assert client(EVERYTHING, peer=("", "")) == ("192.0.2.1", "")
    assert client(EVERYTHING, peer=("", ""), trusted="10.0.0.0/8") is None


@pytest.mark.parametrize("peer", ["10.0.0.1", "fd00::1", "fd00::1%eth0", "::ffff:10.0.0.1"])
def test_who_is_trusted_is_believed(peer):
    assert client(EVERYTHING, peer=(peer, "1")) == ("192.0.2.1", "")


def test_without_headers_nothing_is_changed():
    assert seen({}) == seen({}, ALL) == seen(EVERYTHING, "") == {}


def test_unless_told_otherwise_only_the_client_and_the_scheme_are_believed():
    """The others are not set by every proxy, so a client could choose them."""
    assert seen(EVERYTHING, BELIEVED) == {
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "",
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
    }


def test_only_what_is_named_is_read():
    assert seen(EVERYTHING, " X-Forwarded-HOST ,") == {
        "HTTP_HOST": "example.com",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "80",
    }


def test_forwarded_comes_before_the_others():
    headers = EVERYTHING | {"Forwarded": "for=192.0.2.7"}
    assert client(headers, believed=ALL) == ("192.0.2.7", "")
    assert client(headers, believed=LEGACY) == ("192.0.2.1", "")
    assert client(headers | {"Forwarded": "nonsense"}, believed=ALL) is None


def test_a_bad_name_of_a_header_is_named():
    with pytest.raises(
        ValueError, match=r"forwarded_headers must have names out of .*x-forwarded-for"
    ):
        Forwarded(lambda *_: [], Trusted("*"), "x-forwarded-for,x-real-ip")
    with pytest.raises(TypeError, match="forwarded_headers must be a text"):
        Forwarded(lambda *_: [], Trusted("*"), None)


def test_an_application_without_proxies_is_left_alone():
    def application(*_):
        return []

    assert believing(application, "", BELIEVED) is application
    wrapped = believing(application, "::1", BELIEVED)
    assert isinstance(wrapped, Forwarded) and wrapped.application is application
    with pytest.raises(ValueError, match="forwarded_allow_ips must have IP addresses"):
        believing(application, "localhost", BELIEVED)
    with pytest.raises(ValueError, match="forwarded_headers"):
        believing(application, "", "x-real-ip")


# ---------------------------------------------------------------------- the client


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", "")),
        ("192.0.2.1:5000", ("192.0.2.1", "5000")),
        ("2001:DB8::1", ("2001:db8::1", "")),
        ("[2001:db8::1]", ("2001:db8::1", "")),
        ("[2001:db8::1]:5000", ("2001:db8::1", "5000")),
        ('"[2001:db8::1]:5000"', ("2001:db8::1", "5000")),
        ("::ffff:192.0.2.1", ("192.0.2.1", "")),
        ("fe80::1%eth0", ("fe80::1", "")),
        (" \t192.0.2.1\t ", ("192.0.2.1", "")),
        # From the right, past trusted ones.
        ("198.51.100.1,192.0.2.1", ("192.0.2.1", "")),
        ("198.51.100.1, 192.0.2.1,10.0.0.2", ("192.0.2.1", "")),
        ("198.51.100.1, 192.0.2.1:7, fd00::2, 10.0.0.2:80", ("192.0.2.1", "7")),
        ("garbage, 192.0.2.1, 10.0.0.2", ("192.0.2.1", "")),
        ("192.0.2.1,,10.0.0.2, ,", ("192.0.2.1", "")),
        # All are trusted: somebody inside.
        ("10.0.0.3, 10.0.0.2", ("10.0.0.3", "")),
        # Not known.
        ("", None),
        (",", None),
        ("unknown", None),
        ("_hidden", None),
        ("192.0.2.1, unknown", None),
        ("192.0.2.1, unknown, 10.0.0.2", None),
        ("localhost", None),
        ("192.0.2.256", None),
        ("192.0.2.1:0", None),
        ("192.0.2.1:65536", None),
        ("192.0.2.1:+80", None),
        ("192.0.2.1:80:80", None),
        ("[192.0.2.1", None),
        ("[]:80", None),
        ("2001:db8::1]:80", None),
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_not_trusted(header, expected):
    assert client({"X-Forwarded-For": header}) == expected


def test_where_everybody_is_trusted_the_client_is_the_leftmost():
    assert client({"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}, trusted="*") == ("192.0.2.1", "")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        # RFC 7239 section 4 and 6.
        ("for=192.0.2.43", ("192.0.2.43", "")),
        ('For="[2001:db8:cafe::17]:4711"', ("2001:db8:cafe::17", "4711")),
        ("for=192.0.2.60;proto=http;by=203.0.113.43", ("192.0.2.60", "")),
        ("for=192.0.2.43, for=198.51.100.17", ("198.51.100.17", "")),
        ('for="192.0.2.43:_port"', ("192.0.2.43", "")),
        ('by=x;FOR="192.0.2.43:80";', ("192.0.2.43", "80")),
        (";; for=192.0.2.43 ;ext=1;;", ("192.0.2.43", "")),
        ("for=192.0.2.43, for=10.0.0.2", ("192.0.2.43", "")),
        # What a client leaves open does not swallow what the proxy adds.
        ('for="10.0.0.9, for=192.0.2.43', ("192.0.2.43", "")),
        ('for="\\, for=192.0.2.43', ("192.0.2.43", "")),
        ("for=, for=192.0.2.43, for=10.0.0.2", ("192.0.2.43", "")),
        # Not known.
        ("for=unknown", None),
        ("for=_gazonk", None),
        ("for=192.0.2.43, for=_gazonk", None),
        ("for=192.0.2.43, for=unknown, for=10.0.0.2", None),
        ("for=192.0.2.43;for=192.0.2.44", None),
        ("for=192.0.2.43;FOR=192.0.2.43", None),
        ('for="192.0.2.43', None),
        ('for=192.0.2.43"', None),
        ('for="', None),
        ("for", None),
        ("for=192.0.2.43;proto", None),
        ("for = 192.0.2.43", None),
        ("proto=https", None),
        ("192.0.2.43", None),
        ("", None),
    ],
)
def test_forwarded_by_rfc_7239(header, expected):
    assert client({"Forwarded": header}, believed="forwarded") == expected


# ---------------------------------------------------------------------- the scheme


@pytest.mark.parametrize(
    ("headers", "https"),
    [
        ({"X-Forwarded-Proto": "https"}, True),
        ({"X-Forwarded-Proto": "HTTPS"}, True),
        ({"X-Forwarded-Ssl": "on"}, True),
        ({"X-Forwarded-Ssl": "off"}, False),
        ({"X-Forwarded-Proto": "http", "X-Forwarded-Ssl": "on"}, False),
        ({"X-Forwarded-Proto": "ftp", "X-Forwarded-Ssl": "on"}, False),
        ({"X-Forwarded-Proto": "https://"}, False),
        ({"X-Forwarded-Proto": ""}, False),
        ({"X-Forwarded-Proto": "https, http"}, False),
        ({"X-Forwarded-Proto": "http, https"}, True),
    ],
)
def test_the_scheme(headers, https):
    assert seen(headers) == ({"wsgi.url_scheme": "https", "HTTPS": "on"} if https else {})


def test_a_server_with_tls_behind_a_proxy_without():
    changes = {"wsgi.url_scheme": "https", "HTTPS": "on"}
    found = []
    Forwarded(lambda env, _: found.append(env) or [], Trusted("*"))(
        environ(**changes, HTTP_X_FORWARDED_PROTO="http"), None
    )
    assert found[0]["wsgi.url_scheme"] == "http" and "HTTPS" not in found[0]


@pytest.mark.parametrize(
    ("clients", "schemes", "https"),
    [
        # One word for each proxy: that of the one that saw the client.
        ("192.0.2.1, 10.0.0.3, 10.0.0.2", "https, http, http", True),
        ("evil, 192.0.2.1, 10.0.0.2", "https, http, http", False),
        ("192.0.2.1, 10.0.0.2", "https, http", True),
        # One word for all.
        ("192.0.2.1, 10.0.0.3, 10.0.0.2", "https", True),
        ("192.0.2.1", "https, http", False),
        ("unknown, 10.0.0.2", "https, http", True),
    ],
)
def test_the_scheme_is_the_word_of_the_proxy_that_saw_the_client(clients, schemes, https):
    changes = seen({"X-Forwarded-For": clients, "X-Forwarded-Proto": schemes})
    assert ("HTTPS" in changes) is https


def test_with_forwarded_all_is_taken_from_the_element_of_the_client():
    header = (
        "for=192.0.2.9;host=evil, for=192.0.2.1;proto=https;host=example.com, for=10.0.0.2;host=x"
    )
    assert seen({"Forwarded": header}, "forwarded") == {
        "REMOTE_ADDR": "192.0.2.1",
        "REMOTE_PORT": "",
        "wsgi.url_scheme": "https",
        "HTTPS": "on",
        "HTTP_HOST": "example.com",
        "SERVER_NAME": "example.com",
        "SERVER_PORT": "443",
    }


# ---------------------------------------------------------------------- host and port


@pytest.mark.parametrize(
    ("host", "name", "port"),
    [
        ("example.com", "example.com", "80"),
        ("example.com:8080", "example.com", "8080"),
        ("example.com:", "example.com", "80"),
        ("[2001:db8::1]", "[2001:db8::1]", "80"),
        ("[2001:db8::1]:8080", "[2001:db8::1]", "8080"),
        ("192.0.2.1:1", "192.0.2.1", "1"),
        ("evil, example.com", "example.com", "80"),
    ],
)
def test_the_host(host, name, port):
    assert seen({"X-Forwarded-Host": host}) == {
        "HTTP_HOST": host.removeprefix("evil, "),
        "SERVER_NAME": name,
        "SERVER_PORT": port,
    }


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "a b",
        "a/b",
        "http://a",
        "a@b",
        "a:b",
        "a:0",
        "a:65536",
        "a:080808",
        "[::1",
        "::1",
        "[::1]x",
        "a\\",
        'a"',
        "\xe4",
        "[::1]:x",
    ],
)
def test_what_is_no_host_is_passed_over(host):
    assert seen({"X-Forwarded-Host": host}) == {}


def test_a_host_without_a_port_has_that_of_the_scheme():
    headers = {"X-Forwarded-Host": "example.com", "X-Forwarded-Proto": "https"}
    assert seen(headers)["SERVER_PORT"] == "443"
    assert "SERVER_PORT" not in seen(headers, "x-forwarded-host", **{"wsgi.url_scheme": "odd"})


@pytest.mark.parametrize(
    ("headers", "host", "port"),
    [
        ({"Port": "8443", "Host": "example.com"}, "example.com:8443", "8443"),
        ({"Port": "8443", "Host": "example.com:1"}, "example.com:8443", "8443"),
        ({"Port": "80", "Host": "example.com:1"}, "example.com", "80"),
        ({"Port": "443", "Host": "example.com", "Proto": "https"}, "example.com", "443"),
        ({"Port": "80", "Host": "[::1]:1", "Proto": "https"}, "[::1]:80", "80"),
        ({"Port": "8443"}, "internal:8443", "8443"),
        ({"Port": "1, 8443"}, "internal:8443", "8443"),
    ],
)
def test_the_port_is_in_the_host_too_unless_it_is_the_usual_one(headers, host, port):
    changes = seen({f"X-Forwarded-{name}": value for name, value in headers.items()})
    assert (changes["HTTP_HOST"], changes["SERVER_PORT"]) == (host, port)


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "+1", "1_0", "x", "\xb2", "9" * 5_000])
def test_what_is_no_port_is_passed_over(port):
    assert seen({"X-Forwarded-Port": port}) == {}


def test_a_port_without_a_host_field():
    assert seen({"X-Forwarded-Port": "81"}, HTTP_HOST="") == {"SERVER_PORT": "81"}


# ---------------------------------------------------------------------- the prefix


@pytest.mark.parametrize(
    ("prefix", "path", "script_name", "path_info"),
    [
        ("/app", "/app/page", "/app", "/page"),
        ("/app/", "/app/page", "/app", "/page"),
        ("/app", "/app", "/app", ""),
        ("/app", "/app/", "/app", "/"),
        ("/app", "/apple", "/app", "/apple"),
        ("/app", "/page", "/app", "/page"),
        ("/app", "", "/app", ""),
        ("/app", "/app/app/page", "/app", "/app/page"),
        ("/a/b", "/a/b/c", "/a/b", "/c"),
        ("/a%20%C3%A4", "/a \xc3\xa4/c", "/a \xc3\xa4", "/c"),
        ("/evil, /app", "/app/page", "/app", "/page"),
    ],
)
def test_the_prefix_goes_from_the_path_to_the_script_name(prefix, path, script_name, path_info):
    changes = seen({"X-Forwarded-Prefix": prefix}, PATH_INFO=path)
    assert changes.pop("SCRIPT_NAME") == script_name
    assert changes == ({"PATH_INFO": path_info} if path_info != path else {})


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "/",
        "app",
        "//evil.com",
        "/a//b",
        "/app//",
        "/a/../b",
        "/..",
        "/.",
        "/%2e%2e/a",
        "/a?b",
        "/a#b",
        "/a b",
        "/\xe4",
        "http://a/b",
    ],
)
def test_what_is_no_prefix_is_passed_over(prefix):
    assert seen({"X-Forwarded-Prefix": prefix}) == {}


# ---------------------------------------------------------------------- anything

VALUES = st.text(st.characters(max_codepoint=255)) | st.lists(
    st.sampled_from(
        [
            '"',
            ",",
            ";",
            "for=",
            "proto=",
            "host=",
            "[",
            "]",
            ":",
            "10.0.0.2",
            "::1",
            "\\",
            "https",
            " ",
            "%",
            "/",
            ".",
        ]
    )
).map("".join)


@given(st.dictionaries(st.sampled_from(sorted(HEADERS)), VALUES), st.sampled_from([ALL, LEGACY]))
def test_no_header_is_an_error_of_the_application(headers, believed):
    changes = seen(headers, believed)
    assert changes.get("wsgi.url_scheme", "https") == "https"
    assert changes.get("SERVER_PORT", "1").isdigit()
    assert all(type(value) is str for value in changes.values())
