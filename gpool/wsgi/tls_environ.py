"""What an environ says of TLS: the names of Apache's mod_ssl, which applications know.

Guarantees: it is said once a connection and is the same for each request on it; all of it is of
the handshake, so that no header can pass for it (those become ``HTTP_...``); every text is ASCII.

Whether a client's certificate is wanted, and whose are good, is the context's.
"""

import re
import ssl
from typing import Any, TypeAlias

from gpool.wsgi.framing import Environ

__all__ = ["distinguished_name", "facts"]

#: A name as `ssl.SSLSocket.getpeercert` gives it: of sets of (kind, value).
Name: TypeAlias = tuple[tuple[tuple[str, str], ...], ...]

#: RFC 4514 section 3: what the usual kinds are called; others keep OpenSSL's name.
SHORT = {
    "commonName": "CN",
    "localityName": "L",
    "stateOrProvinceName": "ST",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "streetAddress": "STREET",
    "domainComponent": "DC",
    "userId": "UID",
}
#: RFC 4514 section 2.4: what is escaped, and, with its bytes in hex, what is not printable ASCII.
SPECIAL = re.compile(r'\A[ #]|["+,;<>\\]| \Z')
OPAQUE = re.compile(r"[^ -~]+")


def facts(tls: Any) -> Environ:
    """Any side. What a request's environ has of a TLS socket whose handshake is done.

    Returns:
        SSL_PROTOCOL, SSL_CIPHER, SSL_CLIENT_VERIFY ("NONE" or "SUCCESS"); SSL_TLS_SNI if the
        context keeps the name (see `gpool.certificates.server_context`) and the client sent one;
        with a client's certificate, SSL_CLIENT_CERT (PEM), SSL_CLIENT_S_DN and SSL_CLIENT_I_DN
        (RFC 4514), SSL_CLIENT_M_SERIAL (hex), SSL_CLIENT_V_START, SSL_CLIENT_V_END, and
        ``gpool.peer_certificate``, as `ssl.SSLSocket.getpeercert` gives it.
    """
    environ: Environ = {
        "SSL_PROTOCOL": tls.version(),
        "SSL_CIPHER": tls.cipher()[0],
        "SSL_CLIENT_VERIFY": "NONE",
    }
    name = getattr(tls, "server_name", None)
    if name:
        environ["SSL_TLS_SNI"] = name
    certificate = tls.getpeercert()
    if certificate:  # empty: one that nobody has verified
        environ |= facts_of(certificate)
        environ["SSL_CLIENT_CERT"] = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))
    return environ


def facts_of(certificate: dict[str, Any]) -> Environ:
    """Any side. The same of a client's certificate."""
    return {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_S_DN": distinguished_name(certificate["subject"]),
        "SSL_CLIENT_I_DN": distinguished_name(certificate["issuer"]),
        "SSL_CLIENT_M_SERIAL": certificate["serialNumber"],
        "SSL_CLIENT_V_START": certificate["notBefore"],
        "SSL_CLIENT_V_END": certificate["notAfter"],
        "gpool.peer_certificate": certificate,
    }


def distinguished_name(name: Name) -> str:
    """Any side. A name as RFC 4514 writes it, the last of its sets first."""
    return ",".join(
        "+".join(f"{SHORT.get(kind, kind)}={escaped(value)}" for kind, value in together)
        for together in reversed(name)
    )


def escaped(value: str) -> str:
    """Any side. A value as it can stand in a name, in printable ASCII."""
    return OPAQUE.sub(in_hex, SPECIAL.sub(r"\\\g<0>", value))


def in_hex(match: re.Match[str]) -> str:
    """Any side. The bytes of UTF-8, each as a backslash and two digits."""
    return "".join(f"\\{byte:02X}" for byte in match[0].encode("utf-8", "surrogatepass"))
