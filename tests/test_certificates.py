"""Contexts from files: what is in them, what is said of files that are wrong, and renewal."""

import ssl

import gevent
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from gevent import socket
from gevent.ssl import SSLContext

from gpool.certificates import chosen_context, server_context


class Pair:
    """A certificate and its key, in files."""

    def __init__(self, folder, name, issued):
        self.certificate = folder / f"{name}.pem"
        self.key = folder / f"{name}.key"
        self.issued = issued
        self.certificate.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())

    def lock(self, password):
        key = serialization.load_pem_private_key(self.key.read_bytes(), None)
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(password),
            )
        )


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def issue(authority, tmp_path):
    """Make a certificate of one authority, in files."""

    def make(name, **named):
        return Pair(tmp_path, name, authority.issue_cert("localhost", **named))

    return make


@pytest.fixture
def shown(authority):
    """Shake hands with a context; says the certificate that a client sees, and the protocol."""

    def look(context, protocols=()):
        trusting = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        authority.configure_trust(trusting)
        trusting.set_alpn_protocols(protocols)
        ours, theirs = socket.socketpair()
        serving = gevent.spawn(context.wrap_socket, ours, server_side=True)
        with trusting.wrap_socket(theirs, server_hostname="localhost") as client:
            serving.get().close()
            return client.getpeercert(binary_form=True), client.selected_alpn_protocol()

    return look


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.issued.cert_chain_pems[0].bytes().decode())


def text_of(call, *args, **named):
    """The error's text; nothing stands behind it."""
    with pytest.raises(ValueError, match=r".") as caught:
        call(*args, **named)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


# ---------------------------------------------------------------------- what is in a context


def test_the_defaults(issue):
    pair = issue("one")
    context = server_context(pair.certificate, pair.key)
    assert isinstance(context, SSLContext)  # gevent's: an application can block on its sockets
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_NONE
    for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
        assert context.options & option
    assert not context.options & ssl.OP_NO_TICKET
    assert not context.get_ca_certs()


def test_the_certificate_is_shown(issue, shown):
    pair = issue("one")
    assert shown(server_context(str(pair.certificate), str(pair.key)))[0] == der(pair)


@pytest.mark.parametrize(
    ("offered", "taken"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
def test_of_protocols_only_http_11_is_taken(issue, shown, offered, taken):
    pair = issue("one")
    assert shown(server_context(pair.certificate, pair.key), offered)[1] == taken


def test_the_key_may_be_in_the_same_file(issue, shown):
    pair = issue("one")
    pair.certificate.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert shown(server_context(pair.certificate))[0] == der(pair)


def test_a_key_with_a_password(issue, shown):
    pair = issue("one")
    pair.lock(b"secret")
    assert shown(server_context(pair.certificate, pair.key, password="secret"))[0] == der(pair)


def test_versions_ciphers_and_clients(issue, authority, tmp_path):
    pair = issue("one")
    known = tmp_path / "ca.pem"
    known.write_bytes(authority.cert_pem.bytes())
    context = server_context(
        pair.certificate,
        pair.key,
        client_ca=known,
        client_certificate="optional",
        minimum_version="TLSv1.3",
        ciphers="ECDHE-ECDSA-AES256-GCM-SHA384",
    )
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert len(context.get_ca_certs()) == 1
    old = [one["name"] for one in context.get_ciphers() if one["protocol"] != "TLSv1.3"]
    assert old == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


# ---------------------------------------------------------------------- what is wrong


def test_a_file_that_is_not_there_is_named(issue, tmp_path):
    pair, gone = issue("one"), tmp_path / "gone.pem"
    assert text_of(server_context, gone) == f"certificate '{gone}': there is no such file"
    text = text_of(server_context, pair.certificate, gone)
    assert text == f"key '{gone}': there is no such file"
    text = text_of(
        server_context, pair.certificate, pair.key, client_ca=gone, client_certificate="required"
    )
    assert text == f"client_ca '{gone}': there is no such file"


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    text = text_of(server_context, tmp_path)
    assert text == f"certificate '{tmp_path}' cannot be read: Is a directory"


def test_what_is_no_pem_is_named(issue, tmp_path):
    pair, other = issue("one"), tmp_path / "other.txt"
    other.write_text("hello")
    text = text_of(server_context, other, pair.key)
    assert text == f"certificate '{other}' has no certificate in PEM form"
    text = text_of(server_context, pair.certificate, other)
    assert text == f"key '{other}' has no private key in PEM form"
    text = text_of(server_context, pair.certificate)
    assert text.startswith(f"key '{pair.certificate}' has no private key in PEM form: name")
    named = {"client_ca": other, "client_certificate": "optional"}
    text = text_of(server_context, pair.certificate, pair.key, **named)
    assert text == f"client_ca '{other}' has no certificate in PEM form"


@pytest.mark.parametrize("which", ["certificate", "key"])
def test_what_is_damaged_is_named(issue, which):
    pair = issue("o{n}e")
    file = getattr(pair, which)
    begin, _, *_, end = file.read_text().strip().split("\n")
    file.write_text(f"{begin}\nAAAA\n{end}\n")
    text = text_of(server_context, pair.certificate, pair.key)
    assert f"'{file}'" in text and "is damaged: OpenSSL says" in text


def test_authorities_that_are_damaged_are_named(issue, tmp_path):
    pair, other = issue("one"), tmp_path / "ca.pem"
    other.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    named = {"client_ca": other, "client_certificate": "optional"}
    text = text_of(server_context, pair.certificate, pair.key, **named)
    assert text.startswith(f"client_ca '{other}': OpenSSL says")


@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_a_key_of_another_certificate(issue, kind):
    one, other = issue("one"), issue("other", key_type=kind)
    text = text_of(server_context, one.certificate, other.key)
    assert text == f"key '{other.key}' does not belong to certificate '{one.certificate}'"


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (None, "has a password, and none is given"),
        ("", "has another password than the one that is given"),
        ("wrong", "has another password than the one that is given"),
        ("x" * 2_000, "has another password than the one that is given"),
    ],
)
def test_a_password_is_not_asked_for(issue, password, said):
    pair = issue("one")
    pair.lock(b"secret")
    text = text_of(server_context, pair.certificate, pair.key, password=password)
    assert text == f"key '{pair.key}' {said}"


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"client_certificate": "maybe"}, "client_certificate must be one of 'none', 'optional'"),
        ({"minimum_version": "TLSv1"}, "minimum_version must be one of 'TLSv1.2', 'TLSv1.3'"),
        ({"ciphers": "nonsense"}, "ciphers: OpenSSL knows none of 'nonsense'"),
        ({"client_certificate": "required"}, "client_ca and client_certificate go together"),
        ({"client_ca": "ca.pem"}, "client_ca and client_certificate go together"),
    ],
)
def test_what_is_out_of_range_is_named(issue, named, said):
    pair = issue("one")
    assert text_of(server_context, pair.certificate, pair.key, **named).startswith(said)


@pytest.mark.parametrize("named", [{"ciphers": 1}, {"key": 1}, {"certificate": 1}])
def test_what_is_of_the_wrong_type_is_named(issue, named):
    pair = issue("one")
    with pytest.raises(TypeError, match=f"{next(iter(named))} must be"):
        server_context(**{"certificate": pair.certificate, "key": pair.key} | named)


# ---------------------------------------------------------------------- renewal


def test_renewed_files_that_do_not_fit_leave_the_context_that_is_there(issue, shown):
    old, new = issue("old"), issue("new")
    context = server_context(old.certificate, old.key)
    text_of(server_context, new.certificate, old.key)
    assert shown(context)[0] == der(old)
    new.lock(b"secret")
    text_of(server_context, new.certificate, new.key)
    assert shown(context)[0] == der(old)
    renewed = server_context(new.certificate, new.key, password="secret")
    assert shown(renewed)[0] == der(new)
    assert shown(context)[0] == der(old)


# ---------------------------------------------------------------------- as gevent's servers have it


def test_a_server_takes_a_context_or_files(issue):
    pair, context = issue("one"), SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert chosen_context(None, None, None) is None
    assert chosen_context(context, None, None) is context
    assert isinstance(chosen_context(None, pair.certificate, pair.key), ssl.SSLContext)


def test_what_contradicts_is_an_error(issue):
    pair, context = issue("one"), SSLContext(ssl.PROTOCOL_TLS_SERVER)
    text = text_of(chosen_context, context, pair.certificate, pair.key)
    assert text == "certfile and ssl_context cannot both be given: they say the same"
    assert text_of(chosen_context, None, None, pair.key).startswith("keyfile is of no use")
    with pytest.raises(TypeError, match=r"ssl_context must be an ssl\.SSLContext or None, not 1"):
        chosen_context(1, None, None)
