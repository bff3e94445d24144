"""What is measured: the figures that the server's process and the client's have in common."""

__all__ = ["BEGINS", "ENDS", "LASTS", "MAX_WORKERS", "PLACES", "RATE", "SLOWER", "WORK"]

MAX_WORKERS = 1_000
PLACES = 8  # of what the application waits for
WORK = 0.01  # seconds that a request has one
SLOWER = 10  # times as long, in trouble
RATE = 400  # requests a second: half of what it can do, five times what it can do in trouble
BEGINS, ENDS, LASTS = 6.0, 21.0, 30.0  # seconds: of the trouble, and all
