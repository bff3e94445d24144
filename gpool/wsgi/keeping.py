"""Admission of a server that parks idle connections: they count, although there is no object.

Guarantees: a parked connection is open, and idle, for whoever asks; a drain waits for it, and a
kill ends it.

How one is parked and woken is left to `gpool.wsgi.parked`; whether its connections are such that
they can be, to the server.
"""

from collections import Counter

from gpool.admission import Admission
from gpool.wsgi.ownepoll import EPOLL
from gpool.wsgi.parked import PARK_AFTER, ParkingLot
from gpool.wsgi.site import Site
from gpool.wsgi.sockets import Kind

__all__ = ["Keeper"]


class Keeper(Admission):
    """A server of HTTP that keeps idle connections, parked if they can be.

    Attributes:
        site: what its connections share.
    """

    site: Site
    _parked: ParkingLot

    # ------------------------------------------------------------------ for subclasses

    def is_plain(self) -> bool:
        """Any side. Whether a connection is its descriptor, its peer's address, and no more."""
        raise NotImplementedError

    def furnish(self, site: Site) -> None:
        """Any side. Have room for the parked connections of `site`."""
        self.site = site
        self._parked = site.parked = ParkingLot(site, self._connections)

    def keep(self, kind: Kind) -> None:
        """Any side. Park idle connections from now on, if that may be.

        Args:
            kind: of their sockets.
        """
        parks = self._parks()
        self._parked.kind = kind
        if parks:
            self._parked.open()
        self.site.deadlines.look_early(self._parked.look if parks else None, PARK_AFTER)

    def _parks(self) -> bool:
        return (
            EPOLL is not None
            and self.is_plain()
            and self._limits.max_conns_per_ip is None  # a reset takes the address with it
            and self._on_state is None  # whoever is told of a connection may keep it, as an object
            and self.site.settings.keepalive_timeout > 2 * PARK_AFTER  # or it is not worth it
        )

    # ------------------------------------------------------------------ what admission asks for

    def is_empty(self) -> bool:
        """Any side. See `Admission`."""
        return not self._parked and super().is_empty()

    def connections_by_state(self) -> dict[str, int]:
        """Any side. See `Admission`."""
        states = Counter(super().connections_by_state())
        if self._parked:
            states["IDLE"] += len(self._parked)
        return states

    def stop(self, timeout: float | None = None) -> None:
        """Worker side. See `Admission`."""
        super().stop(timeout)
        self._parked.close()

    def _accept_rest(self) -> None:
        super()._accept_rest()
        self.loop.run_callback(self._parked.drain)

    def _close_all(self) -> None:
        self._parked.close_all()  # now, or their drain would make connections that nobody kills
        super()._close_all()
