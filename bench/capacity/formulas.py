"""What queueing theory knows in closed form, to check the simulation by.

Loads are in erlangs: arrivals a second times the seconds of one, which by Little's law is how many
are served at a time. Each formula is of its author's name; L. Kleinrock, Queueing Systems (1975),
has all of them.
"""

from math import log

__all__ = ["erlang_b", "erlang_c", "little", "mean_wait", "pollaczek_khinchine", "waits_longer"]


def little(rate: float, seconds: float) -> float:
    """How many are there at a time (Little's law), whatever the order and the distributions."""
    return rate * seconds


def erlang_b(load: float, places: int) -> float:
    """The share that finds all places taken and goes away: M/G/c/c."""
    blocked = 1.0
    for taken in range(1, places + 1):
        blocked = load * blocked / (taken + load * blocked)
    return blocked


def erlang_c(load: float, places: int) -> float:
    """The share that has to wait, where nobody goes away: M/M/c; 1 if the load is too high."""
    if load >= places:
        return 1.0
    blocked = erlang_b(load, places)
    return blocked / (1 - load / places * (1 - blocked))


def mean_wait(rate: float, service: float, places: int) -> float:
    """The mean seconds until there is a place: M/M/c."""
    load = rate * service
    return erlang_c(load, places) * service / (places - load)


def waits_longer(rate: float, service: float, places: int, share: float) -> float:
    """The seconds that only this share has to wait longer than: M/M/c."""
    load = rate * service
    waiting = erlang_c(load, places)
    return 0.0 if waiting <= share else service / (places - load) * log(waiting / share)


def pollaczek_khinchine(rate: float, service: float, variation: float) -> float:
    """The mean seconds that one waits for the others before it: M/G/1.

    Args:
        rate: arrivals a second.
        service: the mean seconds of one.
        variation: the squared coefficient of variation of that; 0 if all are the same, 1 if they
            are exponential.
    """
    load = rate * service
    return load * service * (1 + variation) / 2 / (1 - load)
