"""Certificates in files, and a client of TLS whose bytes a test can hold back."""

import ssl
from contextlib import suppress

import pytest
import trustme
from gevent import socket
from gevent.ssl import SSLContext

from gpool.certificates import server_context

__all__ = ["V12", "V13", "Keys", "Steps"]

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class Keys:
    """An authority, the files of a server, and those of a client."""

    def __init__(self, folder):
        self.authority = trustme.CA(organization_name="Keys, Ltd.")
        self.ca = folder / "ca.pem"
        self.authority.cert_pem.write_to_path(self.ca)
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        self.write(self.authority.issue_cert("localhost"))
        self.person = self.authority.issue_cert("someone@example.org", common_name="Jürgen")

    def write(self, issued):
        self.certificate.write_bytes(b"".join(one.bytes() for one in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(self.key)

    def server(self, **named):
        return server_context(self.certificate, self.key, **named)

    def client(self, person=None, version=None):
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.authority.configure_trust(context)
        if person is not None:
            person.configure_cert(context)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


class Steps:
    """A client of TLS that shows its bytes, so that a test can send them as it likes."""

    def __init__(self, server, context):
        self.sock = socket.create_connection(server.address)
        self.come, self.goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.goes, server_hostname="localhost")

    def do(self, call, *args):
        """Do something of TLS, with as much of the network as it needs."""
        while True:
            try:
                result = call(*args)
            except ssl.SSLWantReadError:
                self.sock.sendall(self.goes.read())
                data = self.sock.recv(65_536)
                self.come.write(data) if data else self.come.write_eof()
            else:
                self.sock.sendall(self.goes.read())
                return result

    def say_the_end(self):
        """Send close_notify, and do not wait for the server's."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        self.sock.sendall(self.goes.read())

    def rest(self):
        received = b""
        with suppress(ssl.SSLZeroReturnError):  # the end, if we have said ours
            while data := self.do(self.tls.read, 65_536):
                received += data
        return received
