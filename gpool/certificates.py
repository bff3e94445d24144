"""A server's side of TLS from PEM files: the context of a server.

The defaults are those of `ssl.create_default_context`, with HTTP/1.1 as the only protocol that is
offered (ALPN, RFC 7301), without compression and without renegotiation.

Guarantees: what is wrong with a file is said in one sentence that names it; a key with a password
is never asked for at the terminal.

A renewed certificate is a new context, for `gpool.WSGIServer.renew_tls`: OpenSSL keeps one for each
kind of key, so that in the old context a new ECDSA certificate would stand beside the old RSA one.
When that is due is left to whatever renews it.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from gevent.ssl import SSLContext

from gpool.config import choice, kind

__all__ = ["VERIFY", "VERSIONS", "File", "chosen_context", "server_context"]

File: TypeAlias = str | os.PathLike[str]
ClientCertificate: TypeAlias = Literal["none", "optional", "required"]
MinimumVersion: TypeAlias = Literal["TLSv1.2", "TLSv1.3"]

VERIFY = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
PROTOCOLS = ["http/1.1"]
OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
CERTIFICATES, KEYS = b"CERTIFICATE-----", b"PRIVATE KEY-----"  # as the lines of PEM begin
MISMATCHES = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def server_context(
    certificate: File,
    key: File | None = None,
    *,
    password: str | None = None,
    client_ca: File | None = None,
    client_certificate: ClientCertificate = "none",
    minimum_version: MinimumVersion = "TLSv1.2",
    ciphers: str | None = None,
) -> ssl.SSLContext:
    """Make the context of a server.

    It keeps the name that a client asks for (SNI) as the attribute ``server_name`` of the TLS
    socket, where `gpool.WSGIServer` looks for it; who sets an `sni_callback` can do the same.

    Args:
        certificate: the file of the certificate and those that lead to the authority's (PEM).
        key: the file of its private key; None if the key is in the same file.
        password: of the key.
        client_ca: the file of the authorities whose clients are known (PEM).
        client_certificate: whether a client has to show a certificate of theirs: ``"none"``,
            ``"optional"`` or ``"required"``.
        minimum_version: ``"TLSv1.2"`` or ``"TLSv1.3"``.
        ciphers: of TLS 1.2, as OpenSSL writes them; OpenSSL's own choice by default.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: an argument is out of its range, or something is wrong with a file.
    """
    choice("client_certificate", client_certificate, tuple(VERIFY))
    choice("minimum_version", minimum_version, tuple(VERSIONS))
    context: ssl.SSLContext = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    defaults = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.options |= defaults.options | OPTIONS
    context.verify_flags |= defaults.verify_flags
    context.minimum_version = VERSIONS[minimum_version]
    context.set_alpn_protocols(PROTOCOLS)
    context.sni_callback = keep_name
    load_chain(context, certificate, key, password)
    trust(context, client_ca, client_certificate)
    if ciphers is not None:
        choose_ciphers(context, ciphers)
    return context


def chosen_context(
    ssl_context: ssl.SSLContext | None, certfile: File | None, keyfile: File | None
) -> ssl.SSLContext | None:
    """The context that a server is to use; None for a server without TLS.

    Args:
        ssl_context: the one that the user has made.
        certfile: or the file to make one of, as gevent's servers name it.
        keyfile: the key's, if it has a file of its own.

    Raises:
        TypeError: an argument has the wrong type.
        ValueError: the arguments contradict each other, or something is wrong with a file.
    """
    kind("ssl_context", ssl_context, (ssl.SSLContext, type(None)), "an ssl.SSLContext or None")
    if certfile is None:
        if keyfile is not None:
            raise ValueError("keyfile is of no use without certfile")
        return ssl_context
    if ssl_context is not None:
        raise ValueError("certfile and ssl_context cannot both be given: they say the same")
    return server_context(certfile, keyfile)


def keep_name(sock: Any, name: str | None, _: ssl.SSLContext) -> None:
    """Any side. Keep the name that the client asks for (RFC 6066 section 3)."""
    sock.server_name = name


# ---------------------------------------------------------------------- files


def contents(what: str, file: File) -> bytes:
    """What is in `file`; raises if it cannot be read."""
    kind(what, file, (str, os.PathLike), "the name of a file")
    try:
        return Path(file).read_bytes()
    except FileNotFoundError:
        raise ValueError(f"{what} {str(file)!r}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{what} {str(file)!r} cannot be read: {error.strerror}") from None


def load_chain(
    context: ssl.SSLContext, certificate: File, key: File | None, password: str | None
) -> None:
    """Load the certificate and its key; raises what is wrong with them."""
    if CERTIFICATES not in contents("certificate", certificate):
        raise ValueError(f"certificate {str(certificate)!r} has no certificate in PEM form")
    if key is None:
        key, hint = certificate, ": name the file of the key"
    else:
        hint = ""
    if KEYS not in contents("key", key):
        raise ValueError(f"key {str(key)!r} has no private key in PEM form{hint}")
    asked: list[bool] = []
    try:
        context.load_cert_chain(certificate, key, answer(password, asked))
    except (ssl.SSLError, ValueError) as error:  # ValueError: a password of more than 1 024 bytes
        problem = trouble(error, bool(asked), password)
    else:
        return
    raise ValueError(problem.format(certificate=str(certificate), key=str(key)))


def answer(password: str | None, asked: list[bool]) -> Callable[[], str]:
    """What OpenSSL calls for the password, which would ask at the terminal otherwise."""

    def tell() -> str:
        asked.append(True)
        return password or ""

    return tell


def trouble(error: Exception, asked: bool, password: str | None) -> str:
    """What is wrong with a chain, in a sentence with places for the names of the files."""
    reason = getattr(error, "reason", None)
    if reason in MISMATCHES:
        return "key {key!r} does not belong to certificate {certificate!r}"
    if asked and password is None:
        return "key {key!r} has a password, and none is given"
    if asked:
        return "key {key!r} has another password than the one that is given"
    said = str(reason or error).replace("{", "{{").replace("}", "}}")
    return f"certificate {{certificate!r}} or key {{key!r}} is damaged: OpenSSL says {said}"


def trust(context: ssl.SSLContext, client_ca: File | None, client_certificate: str) -> None:
    """Set whose clients are known."""
    if (client_ca is None) != (client_certificate == "none"):
        raise ValueError(
            "client_ca and client_certificate go together: the authorities' file, and "
            f"'optional' or 'required', not {client_ca!r} and {client_certificate!r}"
        )
    if client_ca is None:
        return
    if CERTIFICATES not in contents("client_ca", client_ca):
        raise ValueError(f"client_ca {str(client_ca)!r} has no certificate in PEM form")
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError as error:
        said = error.reason or error
        raise ValueError(f"client_ca {str(client_ca)!r}: OpenSSL says {said}") from None
    context.verify_mode = VERIFY[client_certificate]


def choose_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    """Set the ciphers of TLS 1.2."""
    kind("ciphers", ciphers, str, "a list of ciphers, as OpenSSL writes it, or None")
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ValueError(f"ciphers: OpenSSL knows none of {ciphers!r}") from None
