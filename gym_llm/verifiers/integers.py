"""Integers in prose."""

import re

# A thousands separator or a minus sign belongs to the number, a hyphen after a word does not.
_INTEGER = re.compile(r"(?:(?<!\w)[-\u2212])?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)", re.ASCII)


def last_integer(text: str) -> str | None:
    """Return the last integer of a text as plain digits with its sign; None when there is none.

    A string, because Python does not convert integers of more than 4300 digits.

    >>> last_integer("From 12 it went down to -1,024.")
    '-1024'
    """
    found = _INTEGER.findall(text)
    return found[-1].replace(",", "").replace("\u2212", "-") if found else None
