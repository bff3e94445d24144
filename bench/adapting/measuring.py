"""The same as the simulation, with gpool on loopback: its p99 before, during and after trouble.

An open-loop client: requests come at random moments (Poisson, the same for all policies), each on
a connection of its own, whatever became of the others, and one's time begins when it was to come. A
second process is the server.

python -m bench.adapting.measuring [FOLDER]; FOLDER is bench/results by default. Takes two minutes.
"""

import json
import random
import subprocess
import sys
from pathlib import Path
from time import monotonic

import gevent
from gevent import socket
from gevent.pool import Group
from matplotlib.figure import Figure

from bench.adapting.picture import COLOURS, PNG_DPI
from bench.adapting.plan import BEGINS, ENDS, LASTS, MAX_WORKERS, PLACES, RATE
from bench.panels import style

POLICIES = ("reject", "wait", "adaptive")
PHASES = {"before": (1.0, BEGINS), "during": (BEGINS, ENDS), "after": (ENDS + 2, LASTS)}
REQUEST = b"GET %b HTTP/1.1\r\nHost: gpool\r\nConnection: close\r\n\r\n"
PATIENCE = 25.0  # seconds after which the client gives up: later than all servers answer
IN_TIME = 1.0  # seconds after which an answer is of no use
Answer = tuple[float, float, int]  # when it was to come, seconds, status or 0


def ask(port: int, path: bytes = b"/") -> int:
    """The status of an answer; 0 if there was none."""
    try:
        with gevent.Timeout(PATIENCE), socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(REQUEST % path)
            answer = b""
            while data := client.recv(4_096):
                answer += data
    except (OSError, gevent.Timeout):
        return 0
    return int(answer[9:12]) if answer else 0


def load(port: int) -> list[Answer]:
    """What became of all requests."""
    dice = random.Random(1)  # noqa: S311  # no secret
    answers: list[Answer] = []
    began = monotonic()

    def one(when: float) -> None:
        status = ask(port)
        answers.append((when, monotonic() - began - when, status))

    asking = Group()
    asking.spawn(ask, port, b"/begin")
    when = 0.0
    while (when := when + dice.expovariate(RATE)) < LASTS:
        gevent.sleep(max(0.0, began + when - monotonic()))
        asking.spawn(one, when)
    asking.join(timeout=PATIENCE)
    return answers


def measured(policy: str) -> tuple[list[Answer], list[int]]:
    """The answers of one policy, and its limits."""
    command = [sys.executable, "-m", "bench.adapting.serving", policy, str(LASTS + 1)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        answers = load(port)
        return answers, json.loads(server.stdout.readline())


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them are; 0 of none."""
    return sorted(values)[int(len(values) * share)] if values else 0.0


def row(policy: str, answers: list[Answer]) -> str:
    """One policy's."""
    cells = [policy]
    for begin, end in PHASES.values():
        those = [one for one in answers if begin <= one[0] < end]
        good = [took for _, took, status in those if status == 200]  # noqa: PLR2004
        in_time = sum(took <= IN_TIME for took in good) / (end - begin)
        refused = 1 - len(good) / len(those)
        p50, p99 = (percentile(good, share) * 1e3 for share in (0.5, 0.99))
        cells += [f"{in_time:.0f}", f"{p50:.0f}", f"{p99:.0f}", f"{refused:.1%}"]
    return "| " + " | ".join(cells) + " |"


def table(runs: dict[str, tuple[list[Answer], list[int]]]) -> str:
    """All of them."""
    heads = [f"{phase}: in time/s | p50 ms | p99 ms | not served" for phase in PHASES]
    lines = ["| policy | " + " | ".join(heads) + " |", "|---|" + "--:|" * 4 * len(PHASES)]
    return "\n".join([*lines, *(row(policy, answers) for policy, (answers, _) in runs.items())])


def draw(runs: dict[str, tuple[list[Answer], list[int]]], folder: Path) -> None:
    """Draw every answer, and the limit."""
    with style():
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        panels = figure.subplots(1, len(runs), sharey=True)
        for axes, (policy, (answers, limits)) in zip(panels, runs.items(), strict=True):
            good = [one for one in answers if one[2] == 200]  # noqa: PLR2004
            axes.plot(
                [one[0] for one in good],
                [one[1] * 1e3 for one in good],
                ".",
                markersize=1.5,
                color=COLOURS[policy],
                rasterized=True,
            )
            axes.axvspan(BEGINS, ENDS, color="#00000010", linewidth=0)
            axes.set_yscale("log")
            axes.set_xlim(0, LASTS)
            axes.set_xlabel("seconds; trouble is grey")
            lowest = min(limits[int(BEGINS * 10) : int(ENDS * 10)])
            axes.set_title(f"{policy}: limit {lowest} at the lowest", fontsize=9.5)
        panels[0].set_ylabel("an answer's time, ms")
        figure.suptitle(
            f"{RATE} requests/s, {PLACES} places, {MAX_WORKERS:,} workers: each request served"
        )
        figure.savefig(folder / "adapting-measured.svg", metadata={"Date": None})
        figure.savefig(folder / "adapting-measured.png", dpi=PNG_DPI)


def main(folder: Path) -> None:
    """Measure, print, draw."""
    runs = {policy: measured(policy) for policy in POLICIES}
    text = table(runs) + "\n"
    print(text)
    (folder / "adapting-measured.md").write_text(text)
    draw(runs, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench/results"))
