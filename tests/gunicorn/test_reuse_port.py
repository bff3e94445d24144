"""With SO_REUSEPORT a process is alone on its listener, and so is who waits there."""

from gevent import socket

from gpool import WSGIServer
from tests.support import connect


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def test_who_is_in_the_backlog_of_a_process_that_ends_is_served():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        server = WSGIServer(listener, application, reuse_port=True)
        server.start()
        server.stop_accepting()
        with connect(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            server.start_accepting()
            server.stop(20)  # the loop has had no turn to accept
            assert client.recv(1_000).startswith(b"HTTP/1.1 200 ")
