"""A mark for the options whose effect a test shows."""

__all__ = ["shows"]


def shows(*names):
    """Say which options' effect a test shows."""

    def mark(test):
        test.shows = getattr(test, "shows", set()) | set(names)
        return test

    return mark
