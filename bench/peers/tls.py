"""TLS for the servers: one certificate, and TLS 1.3 for all.

The key is on P-256 and in PKCS#8, which all of them can read. Servers that are asked for HTTPS
get the files' names; who makes an `ssl.SSLContext` of them does so here.
"""

import ssl
from pathlib import Path

__all__ = ["certificate", "client_context", "context"]

OUT = Path(__file__).parents[1] / "out" / "tls"
CERTIFICATE, KEY, AUTHORITY = OUT / "certificate.pem", OUT / "key.pem", OUT / "authority.pem"


def certificate() -> tuple[Path, Path]:
    """The files of the certificate for 127.0.0.1 and of its key; made when they are missing."""
    if not AUTHORITY.exists():
        make()
    return CERTIFICATE, KEY


def make() -> None:
    """Make them; the authority's comes last, so that it is there when all are."""
    import trustme  # noqa: PLC0415  # servers have no use for it
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    OUT.mkdir(parents=True, exist_ok=True)
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    CERTIFICATE.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    KEY.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    AUTHORITY.write_bytes(authority.cert_pem.bytes())


def context(
    certificate_file: Path | str,
    key_file: Path | str,
    kind: type[ssl.SSLContext] = ssl.SSLContext,
) -> ssl.SSLContext:
    """A server's context; gevent has a kind of its own."""
    made = kind(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.load_cert_chain(certificate_file, key_file)
    return made


def client_context() -> ssl.SSLContext:
    """That of a client who trusts this certificate, and speaks nothing but TLS 1.3."""
    certificate()
    made = ssl.create_default_context(cafile=str(AUTHORITY))
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    return made
