"""What has happened in the requests that carry an X-Token, in the server's process."""

from collections import defaultdict
from threading import Condition

_events: defaultdict[str, list[str]] = defaultdict(list)
_changed = Condition()


def record(token: str, event: str) -> None:
    """Note that `event` has happened."""
    if token:
        with _changed:
            _events[token].append(event)
            _changed.notify_all()


def wait(token: str, event: str) -> list[str]:
    """All events of this token, once there is `event` among them."""
    with _changed:
        if not _changed.wait_for(lambda: not event or event in _events[token], 10):
            _events[token].append(f"no {event}")
        return list(_events[token])
