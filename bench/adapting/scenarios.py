"""What happens to an application, and what a server may do about it.

Each scenario is 80 s: calm for 20, trouble for 30, calm again. Clients are open-loop (they come
whatever becomes of the others, as the Internet's do) but in one. Work is Erlang-distributed, as
that of several steps is, unless it is mixed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from bench.adapting.limits import Fixed, Gradient2, Peak, Vegas
from bench.adapting.world import Admitting, Backend, Door, Patience, World, codel
from gpool.adaptive import Limit

__all__ = ["BEGINS", "ENDS", "LASTS", "POLICIES", "SCENARIOS", "Policy", "Scenario", "play"]

BEGINS, ENDS, LASTS = 20.0, 50.0, 80.0  # seconds: of the trouble, and all
MAX_WORKERS = 1_000
KNOWN = 40  # the places of the backend, for those that are told
FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class Scenario:
    """A backend and its clients.

    Attributes:
        text: what it is.
        places: how many requests the backend serves at once.
        rate: requests a second that come.
        work: seconds of one.
        slower: how many times as long it takes in trouble.
        more: how many times as many come in trouble.
        crowded: see `Backend`.
        mixed: whether one in twenty takes 81 times as long as the others, with the same mean.
        clients: how many there are that wait for their answers, instead of `rate`.
        stalls: seconds for which nothing moves in trouble, and from one such time to the next.
    """

    text: str
    places: float = KNOWN
    rate: float = 2_000.0
    work: float = 0.01
    slower: float = 10.0
    more: float = 1.0
    crowded: float = FOREVER
    mixed: bool = False
    clients: int = 0
    stalls: tuple[float, float] = (0.0, 1.0)

    def in_trouble(self, now: float) -> bool:
        """Whether it is the time of trouble."""
        return BEGINS <= now < ENDS

    def backend(self, world: World) -> Backend:
        """What the application waits for."""

        def work() -> float:
            mean = self.work * (self.slower if self.in_trouble(world.now) else 1.0)
            if self.mixed:
                mean *= 16.2 if world.random.random() < 0.05 else 0.2  # noqa: PLR2004
            stands, every = self.stalls
            stall = stands - world.now % every if self.in_trouble(world.now) else 0.0
            return world.random.gammavariate(4, mean / 4) + max(stall, 0.0)

        return Backend(world, self.places, work, self.crowded)

    def begin(self, world: World, door: Door) -> None:
        """Let the clients come."""
        if self.clients:
            for number in range(self.clients):
                loop_of(world, door, number)
            return

        def come() -> None:
            door.ask(0, lambda _: None)
            rate = self.rate * (self.more if self.in_trouble(world.now) else 1.0)
            world.after(world.random.expovariate(rate), come)

        come()


def loop_of(world: World, door: Door, number: int) -> None:
    """A client that thinks for 0.5 s between an answer and its next request, 1 s if refused."""

    def ask() -> None:
        door.ask(number, told)

    def told(good: bool) -> None:
        pause = world.random.expovariate(2) if good else world.random.uniform(0.5, 1.5)
        world.after(pause, ask)

    world.after(world.random.random(), ask)


SCENARIOS = {
    "slower": Scenario("40 places, each ten times slower"),
    "clients": Scenario("the same, 1 000 clients that wait for their answers", clients=1_000),
    "collapse": Scenario("ten times slower, and worse the more are in", FOREVER, crowded=KNOWN),
    "mixed": Scenario("ten times slower, one request in 20 long", mixed=True),
    "flood": Scenario("four times as many requests", slower=1.0, more=4.0),
    "latency": Scenario("each request ten times longer, any number at once", FOREVER),
    "crowd": Scenario(
        "twenty times as many, room for any number",
        FOREVER,
        rate=200.0,
        work=0.1,
        slower=1.0,
        more=20.0,
    ),
    "mild": Scenario("a tenth more is asked for than can be done", slower=2.2),
    "stalls": Scenario(
        "half of what can be done is asked for, and nothing moves for 0.1 s seven times in 5 s",
        8,
        rate=400.0,
        slower=1.0,
        stalls=(0.1, 0.7),
    ),
    "calm": Scenario("no trouble; one request in 20 long", rate=2_400.0, slower=1.0, mixed=True),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """What a server does.

    Attributes:
        text: what it is.
        limit: makes the limit of requests in flight.
        queue: how many may wait for room.
        patience: how long.
    """

    text: str
    limit: Callable[[], Admitting]
    queue: int = 0
    patience: Patience = codel


POLICIES = {
    "reject": Policy("1 000 workers, others refused", lambda: Fixed(MAX_WORKERS)),
    "wait": Policy(
        "1 000 workers, others wait 10 s", lambda: Fixed(MAX_WORKERS), 1_024, lambda _: 10.0
    ),
    "codel": Policy("1 000 workers, CoDel on the queue", lambda: Fixed(MAX_WORKERS), 1_024),
    "vegas": Policy("Vegas", lambda: Vegas(MAX_WORKERS)),
    "gradient2": Policy("Gradient2", lambda: Gradient2(MAX_WORKERS)),
    "peak": Policy("bRPC's", lambda: Peak(MAX_WORKERS)),
    "limit": Policy("gpool's limit, no queue", lambda: Limit(MAX_WORKERS)),
    "adaptive": Policy("gpool's limit, CoDel on the queue", lambda: Limit(MAX_WORKERS), 1_024),
    "known": Policy("told the best limit, CoDel", lambda: Fixed(KNOWN), 1_024),
}


def play(scenario: str, policy: str, seed: int = 1) -> Door:
    """Play a scenario; returns the server's side of it."""
    world = World(seed)
    chosen = POLICIES[policy]
    setting = SCENARIOS[scenario]
    door = Door(world, setting.backend(world), chosen.limit(), chosen.queue, chosen.patience)
    setting.begin(world, door)
    world.run(LASTS)
    return door
