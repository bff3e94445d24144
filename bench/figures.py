"""The figures of one run of the bench, and how they are summed up: by medians.

What is kept is what goes to the JSON file:

- ``machine``, ``settings``: what they were measured on, and how;
- ``absent``: servers that did not start, and why; ``failed``: runs that came to nothing;
- ``handoff``: way: nanoseconds;
- ``load``, ``crowds``: workload: server: a run for each repetition;
- ``goals``: what was asked and what was measured.
"""

import statistics
from typing import Any

Run = dict[str, Any]
Runs = dict[str, dict[str, list[Run]]]


def median(runs: list[Run], key: str) -> float:
    """Of one figure.

    Raises:
        KeyError: there are no runs, or they do not have it.
    """
    if not runs:
        raise KeyError(key)
    middle: float = statistics.median(run[key] for run in runs)
    return middle


def cost(run: Run) -> float:
    """CPU microseconds of a request."""
    total: float = run["user_us"] + run["system_us"]
    return total


def costs(runs: list[Run]) -> float:
    """The median of that."""
    if not runs:
        raise KeyError("user_us")
    return statistics.median(map(cost, runs))


def spread(runs: list[Run]) -> float:
    """How far apart the costs of the runs are, as a part of their median."""
    each = [cost(run) for run in runs]
    return (max(each) - min(each)) / (statistics.median(each) or 1)


def socket_errors(runs: list[Run]) -> int:
    """What wrk counted, answers with a status of 400 and above excepted."""
    return sum(sum(run["errors"].values()) - run["errors"]["status"] for run in runs)


def refusals(runs: list[Run]) -> int:
    """Answers with a status of 400 and above."""
    return sum(run["errors"]["status"] for run in runs)
