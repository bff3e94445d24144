"""The client that comes at random moments, beside servers that do what a test says."""

from bench.capacity.client import Client
from tests.bench.scripted import BUSY, OK, always, good, scripted


def test_every_request_is_answered_and_connections_are_kept():
    with scripted(good) as server, Client([server.port]) as client:
        said = [*client.ask([0.0, 0.0], ["/a", "/b"]), *client.ask([0.0], ["/c"])]
    assert [one.status for one in said] == [200] * 3
    assert [one.by for one in said] == ["OK"] * 3
    assert client.open == 2 and said[2].connection in (0, 1)
    assert sorted(head.split()[1] for head in server.requests) == [b"/a", b"/b", b"/c"]


def test_a_connection_for_each_request_says_that_it_closes():
    with scripted(good) as server, Client([server.port], keep=False) as client:
        said = client.ask([0.0, 0.0], ["/", "/"]) + client.ask([0.0], ["/"])
    assert [one.connection for one in said] == [0, 1, 2]
    assert all(b"Connection: close\r\n" in head for head in server.requests)


def test_time_begins_when_a_request_was_due_and_not_when_the_server_got_to_it():
    def after_release(server, conn):
        server.next_request(conn)
        server.released.wait(10)
        conn.sendall(OK)

    with scripted(after_release) as server, Client([server.port, server.port]) as client:

        def choose(request, in_flight):
            if request:  # the first has been sent, and is not answered
                assert in_flight == [1, 0]
                server.released.set()
            return request

        client.choose = choose
        first, _ = client.ask([0.0, 0.25], ["/", "/"])
    assert first.took >= 0.25


def test_what_was_due_before_now_has_waited_already():
    with scripted(good) as server, Client([server.port]) as client:
        (said,) = client.ask([-5.0], ["/"])
    assert said.took >= 5 and client.late >= 5


def test_a_port_is_chosen_by_what_is_in_flight_now():
    seen = []

    def choose(_, in_flight):
        seen.append(list(in_flight))
        return 1

    with scripted(good) as server, Client([server.port] * 2, choose=choose) as client:
        client.ask([0.0, 0.0], ["/", "/"])
        client.ask([0.0], ["/"])
    assert seen == [[0, 0], [0, 1], [0, 0]]


def test_refusals_have_their_status_and_a_new_connection_follows():
    with scripted(always(BUSY, closes=True)) as server, Client([server.port]) as client:
        said = client.ask([0.0], ["/"]) + client.ask([0.0], ["/"])
    assert [(one.status, one.by) for one in said] == [(503, "")] * 2
    assert client.open == 2


def test_a_connection_that_ends_without_an_answer_is_told_as_none():
    def silent(server, conn):
        server.next_request(conn)

    with scripted(silent) as server, Client([server.port]) as client:
        (said,) = client.ask([0.0], ["/"])
    assert (said.status, said.connection) == (0, 0)


def test_connections_can_be_there_before_the_first_request():
    with scripted(good) as server, Client([server.port]) as client:
        client.connect(5)
        said = client.ask([0.0], ["/"])
    assert client.open == 5 and said[0].status == 200


def test_where_nobody_listens_there_is_no_answer():
    with scripted(good) as server:
        port = server.port
    with Client([port]) as client:
        (said,) = client.ask([0.0], ["/"])
    assert (said.status, said.by) == (0, "")
