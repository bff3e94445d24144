"""Parts of pages that are written by a command, between two comments that say so.

The begin of a part is ``<!-- NAME: begin, written by COMMAND -->``, its end ``<!-- NAME: end -->``.
What is around it is left alone.
"""

from collections.abc import Mapping

__all__ = ["filled"]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with those parts anew.

    Raises:
        ValueError: the page has no place for one.
    """
    for name, text in parts.items():
        begin, end = (f"<!-- {name}: {which}" for which in ("begin", "end"))
        before, began, rest = page.partition(begin)
        mark, _, rest = rest.partition("\n")
        _, ended, after = rest.partition(end)
        if not (began and ended) or begin in rest:
            raise ValueError(f"the page has not one place for {name}")
        page = f"{before}{began}{mark}\n{text}\n{ended}{after}"
    return page
