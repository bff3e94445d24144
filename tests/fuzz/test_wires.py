"""The connections in memory are like those of a real server."""

import re
from errno import ECONNRESET

import pytest
from gevent import get_hub

from gpool import WSGIServer
from tests.fuzz.application import ALL, Recorder
from tests.fuzz.inputs import Input
from tests.fuzz.targets import TARGETS
from tests.fuzz.wires import Ending, Loop, Script, Socket, connected, site_of, workers
from tests.support import ask

OWN = re.compile(rb"(Server|Date): [^\r]*\r\n")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_real_server_sends_the_same_and_calls_the_same():
    """For all of the corpus; Date and Server are their own."""
    real, fake = Recorder(ALL, {"REMOTE_ADDR": "127.0.0.1"}), Recorder(ALL)
    server = WSGIServer(("127.0.0.1", 0), real)
    server.start()
    try:
        for path in TARGETS["connections"].corpus():
            stream = Input.of(path.read_bytes()).stream
            real.calls, fake.calls = [], []
            received = ask(server.address, stream)
            sent = bytes(connected(site_of(fake), Script([stream])).sent)
            assert OWN.sub(b"", received) == OWN.sub(b"", sent), path.name
            assert [call.body for call in real.calls] == [call.body for call in fake.calls]
            assert [call.target for call in real.calls] == [call.target for call in fake.calls]
    finally:
        server.stop(0)


@pytest.mark.parametrize("ending", [Ending.EOF, Ending.RESET, Ending.TIMEOUT])
def test_a_connection_is_over_whatever_its_peer_does(ending):
    recorder = Recorder(ALL)
    site = site_of(recorder)
    socket = connected(site, Script([GET, GET[:5]], ending))
    assert socket.closed and len(recorder.calls) == 1 and not len(site.deadlines)


def test_a_peer_that_takes_little_gets_all():
    recorder = Recorder(ALL)
    much = connected(site_of(recorder), Script([GET * 3])).sent
    recorder.calls = []
    little = connected(site_of(recorder), Script([GET * 3], takes=7)).sent
    assert len(recorder.calls) == 3
    assert OWN.sub(b"", little) == OWN.sub(b"", much)


def test_a_socket_takes_no_more_until_it_is_polled():
    socket = Socket(takes=2)
    assert socket.send(b"abc") == 2
    with pytest.raises(BlockingIOError):
        socket.send(b"c")
    assert socket.polled(2) and socket.send(b"c") == 1 and socket.sent == b"abc"


def test_a_socket_that_is_reset_says_so():
    socket = Socket()
    socket.comes(b"a")
    socket.breaks()
    for call in (lambda: socket.recv(1), lambda: socket.send(b"a")):
        with pytest.raises(ConnectionResetError) as caught:
            call()
        assert caught.value.errno == ECONNRESET


def test_a_loop_that_never_rests_is_told(monkeypatch):
    monkeypatch.setattr("tests.fuzz.wires.TURNS", 10)
    loop, socket = Loop(), Socket()
    loop.io(socket.fileno(), 1).start(lambda: None)
    loop.settle(socket)
    socket.comes(b"nobody reads this")
    with pytest.raises(AssertionError, match="rest"):
        loop.settle(socket)


def test_a_connection_that_is_left_behind_fails_the_case():
    site = site_of(Recorder(ALL))
    site.closed = lambda conn: None
    with pytest.raises(AssertionError, match="come to rest"):
        connected(site, Script([GET]))


def test_what_only_the_hub_hears_of_fails_the_case():
    site = site_of(Recorder(ALL))

    def hub_hears(exchange):
        get_hub().handle_error(exchange, KeyError, KeyError("on purpose"), None)
        return workers().serve(exchange)

    site.serve = hub_hears
    with pytest.raises(AssertionError, match="on purpose"):
        connected(site, Script([GET]))
