"""No request sees what another one set, on whichever kept connection and worker it runs.

Each test has 200 requests, of which 20 are always in their handlers together: they meet there.
"""

from concurrent.futures import ThreadPoolExecutor

from tests.frameworks import parts
from tests.frameworks.conftest import gpool_only

ROUNDS = 10


def answers_of(site, path, read):
    """What the requests are answered, by token; one client's ten on one connection each."""

    def visit(number):
        with site.clients() as client:
            tokens = [f"{number}-{turn}" for turn in range(ROUNDS)]
            answers = {
                token: read(client.request("GET", path, fields={"token": token}))
                for token in tokens
            }
            assert client.num_connections == 1
        return answers

    answers = {}
    with ThreadPoolExecutor(parts.TOGETHER) as threads:
        for some in threads.map(visit, range(parts.TOGETHER)):
            answers |= some
    assert len(answers) == parts.TOGETHER * ROUNDS
    return answers


def test_a_context_variable_is_unset_at_first_and_keeps_what_its_request_sets(site):
    gpool_only("runs all requests of a connection in one context")
    for token, seen in answers_of(site, "/isolated", lambda answer: answer.json()).items():
        assert (seen["before"], seen["after"]) == (None, token)


def test_so_does_what_the_framework_keeps_for_a_request(site):
    if site.name == "django":
        gpool_only("runs all requests of a connection in one context")
    for token, seen in answers_of(site, "/isolated", lambda answer: answer.json()).items():
        assert (seen["local_before"], seen["local_after"]) == (None, token)
        assert seen["request"] == token


def test_an_answer_that_is_streamed_sees_the_context_of_its_request(site):
    gpool_only("runs all requests of a connection in one context")
    answers = answers_of(site, "/isolated/stream", lambda answer: answer.data.decode())
    for token, text in answers.items():
        assert text == f"{token}\n" * 3


def test_the_workers_of_all_these_requests_are_reused(site, client):
    gpool_only("starts a greenlet for each connection")
    before = client.request("GET", "/pool").json()
    answers_of(site, "/isolated", lambda answer: answer.json())
    after = client.request("GET", "/pool").json()
    assert after["served"] - before["served"] > parts.TOGETHER * ROUNDS
    assert after["tainted"] == 0
    assert after["created"] - before["created"] <= 2 * parts.TOGETHER
