import logging

from gpool.log import QuietLog


def test_one_line_a_minute_then_the_number_held_back(clock, caplog):
    say = QuietLog(logging.getLogger("gpool.test"), clock=clock)
    for number in range(5):
        say("refused %d", number)
    clock.advance(59.9)
    say("refused %d", 5)
    clock.advance(0.1)
    say("refused %d", 6)
    say("refused %d", 7)
    clock.advance(60)
    say("refused %d", 8)
    assert [record.getMessage() for record in caplog.records] == [
        "refused 0",
        "refused 6 (and 5 more since the last such line)",
        "refused 8 (and 1 more since the last such line)",
    ]
