"""The limits that are compared with gpool's: a fixed one, and three that are published.

- Vegas and Gradient2 of Netflix's concurrency-limits, with the defaults of their sources but for
  the bounds, averaged over windows as its WindowedLimit does.
- The limiter of bRPC (docs/cn/auto_concurrency_limiter.md): the peak throughput of late times the
  latency without load, which is measured anew now and then.

Each is what its authors describe, written anew in a few lines; not their code.
"""

from math import log10

__all__ = ["Fixed", "Gradient2", "Peak", "Vegas"]

ENOUGH = 10  # requests that a window needs
WINDOW = (0.1, 1.0)  # seconds of one, at least and at most; twice the shortest request between


class Fixed:
    """A limit that stays.

    Args:
        value: the limit.
    """

    def __init__(self, value: int) -> None:
        self.value = value

    def lacked_room(self, now: float) -> None:
        """Nothing comes of it."""

    def ended(self, began: float, now: float, in_flight: int) -> None:
        """Nothing comes of it."""


class Windowed(Fixed):
    """One that is looked at with the mean of a window.

    Args:
        most: the highest.
        least: the lowest.
        first: the one to begin with.
    """

    def __init__(self, most: int, least: int = 8, first: int = 20) -> None:
        super().__init__(first)
        self._best = float(first)
        self._bounds = least, most
        self._next = 0.0
        self._forget()

    def _forget(self) -> None:
        self._count, self._sum, self._shortest, self._peak = 0, 0.0, float("inf"), 0

    def ended(self, began: float, now: float, in_flight: int) -> None:
        """See `Admitting`."""
        took = now - began
        self._count += 1
        self._sum += took
        self._shortest = min(self._shortest, took)
        self._peak = max(self._peak, in_flight)
        if now >= self._next and self._count >= ENOUGH:
            self._next = now + min(max(2 * self._shortest, WINDOW[0]), WINDOW[1])
            least, most = self._bounds
            self._best = max(least, min(most, self.better(self._sum / self._count, self._peak)))
            self.value = int(self._best)
            self._forget()

    def better(self, time: float, peak: int) -> float:
        """The next limit, from the mean time and the most in flight."""
        raise NotImplementedError


class Vegas(Windowed):
    """The limit holds a queue of a few: limit x (1 - shortest time / time)."""

    _base = 0.0
    _looks = 0

    def better(self, time: float, peak: int) -> float:
        """See `Windowed`."""
        self._looks += 1
        best = self._best
        if not self._base or time < self._base or self._looks % 30 == 0:
            self._base = time
            return best
        if peak * 2 < best:
            return best
        queue, unit = best * (1 - self._base / time), max(1.0, log10(best))
        if queue <= unit:
            return best + 6 * unit
        if queue < 3 * unit:
            return best + unit
        return best - unit if queue > 6 * unit else best


class Gradient2(Windowed):
    """The limit falls as the time of late is longer than that of the last minutes."""

    _long = 0.0
    _looks = 0

    def better(self, time: float, peak: int) -> float:
        """See `Windowed`."""
        self._looks += 1
        self._long += (time - self._long) * max(2 / 601, 1 / self._looks if self._looks < 11 else 0)  # noqa: PLR2004
        if self._long > 2 * time:
            self._long *= 0.9
        if peak < self._best / 2:
            return self._best
        gradient = max(0.5, min(1.0, self._long / time))
        return self._best * 0.8 + (self._best * gradient + 4) * 0.2


class Peak(Fixed):
    """bRPC's: peak throughput x latency without load x (1 + alpha).

    Args:
        most: the highest.
        least: the lowest.
        first: the one to begin with.
    """

    def __init__(self, most: int, least: int = 8, first: int = 40) -> None:
        super().__init__(first)
        self._bounds = least, most
        self._unloaded = self._peak = 0.0
        self._alpha = 0.3
        self._remeasure_at = 3.0
        self._drained_at = 0.0
        self._since, self._count, self._sum = -1.0, 0, 0.0

    def ended(self, began: float, now: float, in_flight: int) -> None:  # noqa: ARG002
        """See `Admitting`."""
        if now < self._drained_at:
            return
        if self._drained_at:
            self._drained_at = self._unloaded = 0.0
            self._remeasure_at = now + 5.0
            self._since = -1.0
        if self._since < 0:
            self._since, self._count, self._sum = now, 0, 0.0
        self._count += 1
        self._sum += now - began
        took = now - self._since
        if took >= 1.0 or (took >= 0.1 and self._count >= 100):  # noqa: PLR2004  # bRPC's window
            self._look(now, self._count / took, self._sum / self._count)
            self._since, self._count, self._sum = now, 0, 0.0

    def _look(self, now: float, throughput: float, time: float) -> None:
        kept = self._peak * 0.9 + throughput * 0.1
        self._peak = throughput if throughput >= self._peak else kept
        if not self._unloaded:
            self._unloaded = time
        elif time < self._unloaded:
            self._unloaded = self._unloaded * 0.9 + time * 0.1
        if now > self._remeasure_at:
            self._set(self.value * 0.9)
            self._drained_at = now + 2 * time
            return
        calm = time <= self._unloaded * 1.1 or throughput <= self._peak / 1.3
        self._alpha = min(0.3, self._alpha + 0.02) if calm else max(0.06, self._alpha - 0.02)
        self._set(self._peak * self._unloaded * (1 + self._alpha))

    def _set(self, value: float) -> None:
        least, most = self._bounds
        self.value = int(max(least, min(most, value)))
