"""Play all scenarios with all policies: a table in Markdown, and a picture.

python -m bench.adapting [FOLDER]; FOLDER is bench/results by default.
"""

import gc
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from bench.adapting.picture import draw, is_shown
from bench.adapting.scenarios import BEGINS, ENDS, LASTS, POLICIES, SCENARIOS, play
from bench.adapting.world import Answer, Door

IN_TIME = 1.0  # seconds after which an answer is of no use
SETTLED = 5.0  # seconds at the begin of a phase that are not looked at, but for trouble's
FINE = 0.01  # refused, when all is well again
PHASES = ((SETTLED, BEGINS), (BEGINS, ENDS), (ENDS + SETTLED, LASTS - SETTLED))
HEAD = ("policy", "in time/s", "p50 ms", "p99 ms", "refused", "well after", "before", "fair")


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them are; 0 of none."""
    return sorted(values)[int(len(values) * share)] if values else 0.0


def between(door: Door, begin: float, end: float) -> list[Answer]:
    """The requests that came then."""
    return [answer for answer in door.answers if begin <= answer.came < end]


def well_after(door: Door) -> float | None:
    """Whole seconds from the end of trouble until one in which all is well; None for never."""
    for second in range(int(LASTS - ENDS - SETTLED)):
        answers = between(door, ENDS + second, ENDS + second + 1)
        refused = sum(not answer.good for answer in answers)
        slow = percentile([answer.took for answer in answers], 0.99)
        if answers and refused <= FINE * len(answers) and slow < IN_TIME / 2:
            return second
    return None


def fairness(answers: list[Answer]) -> float:
    """Jain's index of the answers that each client got: 1 if all got as many."""
    served = list(Counter(answer.client for answer in answers if answer.good).values())
    served += [0] * (len({answer.client for answer in answers}) - len(served))
    return sum(served) ** 2 / (len(served) * sum(one * one for one in served))


def row(name: str, door: Door) -> tuple[str, ...]:
    """One policy's."""
    before, trouble, _ = (between(door, *phase) for phase in PHASES)
    good = [answer.took for answer in trouble if answer.good]
    in_time = sum(took <= IN_TIME for took in good) / (ENDS - BEGINS)
    after = well_after(door)
    several = len({answer.client for answer in trouble}) > 1
    return (
        name,
        f"{in_time:.0f}",
        f"{percentile(good, 0.5) * 1e3:.0f}",
        f"{percentile(good, 0.99) * 1e3:.0f}",
        f"{mean(not answer.good for answer in trouble):.1%}",
        "never" if after is None else f"{after:.0f} s",
        f"{mean(not answer.good for answer in before):.1%}",
        f"{fairness(trouble):.2f}" if several else "",
    )


def tables(rows: dict[tuple[str, str], tuple[str, ...]]) -> Iterator[str]:
    """All scenarios, each a table."""
    for scenario, what in SCENARIOS.items():
        yield f"\n**{scenario}**: {what.text}\n"
        yield "| " + " | ".join(HEAD) + " |"
        yield "|---|" + "--:|" * (len(HEAD) - 1)
        for policy in POLICIES:
            yield "| " + " | ".join(rows[scenario, policy]) + " |"


def main(folder: Path) -> None:
    """Play, print, draw."""
    rows, shown = {}, {}
    gc.disable()  # it would look at every answer again and again
    for scenario in SCENARIOS:
        for policy in POLICIES:
            door = play(scenario, policy)
            rows[scenario, policy] = row(policy, door)
            if is_shown(scenario, policy):
                shown[scenario, policy] = door
            del door
            gc.collect()
    text = "\n".join(tables(rows)).strip() + "\n"
    print(text)
    (folder / "adapting.md").write_text(text)
    draw(shown, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "bench/results"))
