"""HTTPS as programs in wide use speak it: curl, and OpenSSL's own client."""

import json
import signal
import subprocess
import sys

import pytest

from tests.parts import needed
from tests.wsgi_server.keys import Keys

pytestmark = pytest.mark.limit(60)

TIMEOUT = 30  # seconds; no program here takes one


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    keys = Keys(folder)
    keys.person_certificate, keys.person_key = folder / "person.pem", folder / "person.key"
    keys.person_certificate.write_bytes(keys.person.cert_chain_pems[0].bytes())
    keys.person.private_key_pem.write_to_path(keys.person_key)
    return keys


@pytest.fixture
def serve(keys):
    """Start a server; says its process, and its port as `port`."""
    servers = []

    def start(*clients):
        command = [sys.executable, "-m", "tests.functional.tls_site", keys.certificate, keys.key]
        server = subprocess.Popen([*command, *clients], stdout=subprocess.PIPE, text=True)
        servers.append(server)
        server.port = server.stdout.readline().strip()
        return server

    yield start
    for server in servers:
        server.terminate()
        server.communicate(timeout=TIMEOUT)
        assert server.returncode == 0


# ---------------------------------------------------------------------- curl


@pytest.fixture
def curl(keys):
    """Run curl; says its exit status and what it wrote, after its errors."""
    needed("curl")

    def run(server, *args, paths=("/",), scheme="https"):
        done = subprocess.run(
            [
                *("curl", "-sS", "--cacert", keys.ca, "--noproxy", "*", "--max-time", str(TIMEOUT)),
                *("--resolve", f"localhost:{server.port}:127.0.0.1"),
                *args,
                *(f"{scheme}://localhost:{server.port}{path}" for path in paths),
            ],
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
        return done.returncode, done.stdout.decode()

    return run


def test_curl_asks_twice_on_one_connection(serve, curl):
    status, text = curl(serve(), "-w", "%{http_code} %{num_connects}\n", paths=("/one", "/two"))
    first, told, second, again = text.splitlines()
    assert (status, told, again) == (0, "200 1", "200 0")
    assert [json.loads(line)["PATH_INFO"] for line in (first, second)] == ["/one", "/two"]
    assert json.loads(first)["SSL_TLS_SNI"] == "localhost"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_posts_and_fetches_what_is_large(serve, curl, tmp_path, version):
    file, got = tmp_path / "body", tmp_path / "got"
    file.write_bytes(bytes(1 << 20))
    server, only = serve(), (f"--tlsv{version}", "--tls-max", version)
    status, text = curl(server, *only, "--data-binary", f"@{file}")
    told = json.loads(text)
    assert (status, told["body"], told["SSL_PROTOCOL"]) == (0, 1 << 20, f"TLSv{version}")
    assert curl(server, *only, "-o", got, paths=("/large",))[0] == 0
    assert got.read_bytes() == bytes(8 << 20)


def test_curl_that_would_like_http2_gets_http_11(serve, curl):
    """By ALPN: HTTP/2 is offered, and not taken."""
    version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)
    if "HTTP2" not in version.stdout:
        pytest.skip("this curl has no HTTP/2: apt-get install curl")
    status, text = curl(serve(), "--http2", "-w", "%{http_version}")
    assert status == 0 and text.endswith("\n1.1")


def test_curl_with_a_certificate_is_known(serve, curl, keys):
    person = ("--cert", keys.person_certificate, "--key", keys.person_key)
    status, text = curl(serve("required", keys.ca), *person)
    told = json.loads(text)
    assert (status, told["SSL_CLIENT_VERIFY"]) == (0, "SUCCESS")
    assert told["SSL_CLIENT_CERT"] == keys.person_certificate.read_text()


def test_curl_without_a_certificate_is_not_let_in(serve, curl, keys):
    status, text = curl(serve("required", keys.ca))
    assert status in (35, 56)  # TLS: with 1.2 in the handshake, with 1.3 when it reads
    assert not text


@pytest.mark.parametrize("method", [(), ("-I",), ("--data-binary", "x" * 100_000)])
def test_curl_that_speaks_plain_http_is_told(serve, curl, method):
    status, text = curl(serve(), *method, "-w", "\n%{http_code}", scheme="http")
    assert status == 0 and text.endswith("\n400")
    assert ("HTTPS" in text) is (method != ("-I",))


def test_curl_sees_a_renewed_certificate_after_sighup(serve, curl, keys):
    server = serve()
    shown = ("-v", "--stderr", "-", "-o", "/dev/null")
    assert "subject: O=trustme" in curl(server, *shown)[1]
    keys.write(keys.authority.issue_cert("localhost", organization_name="Renewed"))
    server.send_signal(signal.SIGHUP)
    assert server.stdout.readline() == "renewed\n"
    assert "subject: O=Renewed" in curl(server, *shown)[1]


# ---------------------------------------------------------------------- openssl s_client

REQUEST = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
LAST = REQUEST % (b"last", b"Connection: close\r\n")


@pytest.fixture
def s_client(keys):
    """The command of OpenSSL's client."""
    needed("openssl")

    def command(server, *args):
        return [
            *("openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"),
            *("-CAfile", keys.ca, "-verify_return_error", "-servername", "localhost", *args),
        ]

    return command


def ask(command, data=LAST):
    """Send `data`, read until the server closes; says what openssl wrote."""
    done = subprocess.run(
        [*command, "-ign_eof"], input=data, capture_output=True, check=False, timeout=TIMEOUT
    )
    return done.stdout.decode()


def told_in(text):
    return json.loads(next(line for line in text.splitlines() if line.startswith("{")))


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_openssl_speaks_both_versions(serve, s_client, option, version):
    text = ask(s_client(serve(), option, "-alpn", "h2,http/1.1"))
    assert "ALPN protocol: http/1.1" in text
    assert "Verification: OK" in text
    assert "Compression: NONE" in text
    told = told_in(text)
    assert (told["SSL_PROTOCOL"], told["SSL_TLS_SNI"]) == (version, "localhost")
    assert f"Cipher is {told['SSL_CIPHER']}" in text


def test_openssl_has_nothing_older(serve, s_client):
    text = ask(s_client(serve(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"))
    assert "Cipher is (NONE)" in text and "HTTP/1.1" not in text


def test_openssl_with_a_certificate(serve, s_client, keys):
    person = ("-cert", keys.person_certificate, "-key", keys.person_key)
    assert told_in(ask(s_client(serve(keys.ca), *person)))["SSL_CLIENT_VERIFY"] == "SUCCESS"


def test_openssl_says_what_it_lacks(serve, s_client, keys):
    command = [*s_client(serve("required", keys.ca)), "-ign_eof"]
    done = subprocess.run(command, input=LAST, capture_output=True, check=False, timeout=TIMEOUT)
    assert b"certificate required" in done.stderr  # the alert
    assert b"HTTP/1.1 200" not in done.stdout


class Talk:
    """OpenSSL's client, told what to do line by line: a line of K asks for new keys."""

    def __init__(self, command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.process.kill()
        self.process.communicate()

    def until(self, end):
        """Read lines up to one with `end`; says all of them."""
        text = ""
        while end not in text:
            line = self.process.stdout.readline()
            assert line, f"no {end!r} in {text}"
            text += line.decode()
        return text

    def say(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()


def test_new_keys_between_requests_and_during_one_do_not_confuse(serve, s_client):
    """TLS 1.3: the records of tickets and of new keys have no bytes of HTTP in them."""
    with Talk(s_client(serve(), "-tls1_3")) as talk:
        for number in (b"1", b"2", b"3"):
            talk.say(b"K\n")
            talk.until("KEYUPDATE")
            talk.say(REQUEST % (number, b"") + REQUEST % (b"next", b"Content-Length: 4\r\n"))
            talk.until(f'"PATH_INFO": "/{number.decode()}"')
            talk.say(b"K\n")
            talk.until("KEYUPDATE")
            talk.say(b"body")
            assert '"body": 4' in talk.until('"PATH_INFO": "/next"')


def test_who_asks_for_renegotiation_is_refused(serve, s_client):
    """TLS 1.2: each would cost the server as much as a handshake."""
    server = serve()
    with Talk(s_client(server, "-tls1_2")) as talk:
        talk.say(b"R\n")
        talk.until("RENEGOTIATING")
        talk.until("no renegotiation")
    assert told_in(ask(s_client(server)))["PATH_INFO"] == "/last"


def test_openssl_sees_the_end_said(serve, s_client):
    text = ask([*s_client(serve(), "-msg")])
    assert "<<< TLS 1.3, Alert [length 0002], warning close_notify" in text
