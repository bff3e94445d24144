"""That what the tests behind proxies compare can differ."""

import pytest

from tests.smuggling.behind import PASSES, Passed, assert_own, is_meant


def passed(asked, body=b"", status="200"):
    return Passed(status, asked, lambda other: other == body)


ONE, TWO = passed("POST /a", b"hello"), passed("GET /next")


@pytest.mark.parametrize(
    ("served", "log"),
    [
        ([], []),
        (["POST /a hello", "GET /next"], [ONE, TWO]),
        (["GET /next"], [passed("POST /a", b"hello", "400"), TWO]),
        (["POST /a hello"], [ONE, passed("GET /next", status="502")]),
        (["POST /early/a"], [passed("POST /early/a", b"hello")]),
        (["POST /part/a he"], [passed("POST /part/a", b"hello")]),
    ],
)
def test_what_is_meant(served, log):
    assert is_meant(served, log)


@pytest.mark.parametrize(
    ("served", "log"),
    [
        (["GET /smuggled"], []),
        (["POST /a hello", "GET /smuggled", "GET /next"], [ONE, TWO]),
        (["POST /a hello", "GET /next"], [ONE]),
        (["POST /a hello"], [ONE, TWO]),
        (["POST /a hell", "GET /next"], [ONE, TWO]),
        (["POST /a", "GET /next"], [ONE, TWO]),
        (["GET /next", "POST /a hello"], [ONE, TWO]),
        (["PUT /a hello"], [ONE]),
        (["POST /early/b"], [passed("POST /early/a")]),
    ],
)
def test_what_is_not_meant(served, log):
    assert not is_meant(served, log)


def test_an_answer_to_another_request_is_noticed():
    assert_own(["GET /a", "GET /b"], b"X-Saw: GET /a\r\nX-Saw: GET /b\r\n")
    assert_own(["GET /a", "GET /b"], b"X-Saw: GET /b\r\n")
    for answers in (b"X-Saw: GET /c\r\n", b"X-Saw: GET /b\r\nX-Saw: GET /a\r\n"):
        with pytest.raises(AssertionError):
            assert_own(["GET /a", "GET /b"], answers)


def test_there_are_cases_that_go_through():
    assert len(PASSES) == 8
