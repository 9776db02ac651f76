"""Running a regular expression that came with a row: bounded in time and size, never an exception."""

import functools
from collections.abc import Iterator

import regex

MAX_PATTERN_CHARS = 10_000
TIME_LIMIT_S = 1.0


@functools.lru_cache(maxsize=1024)
def compile_pattern(pattern: str, flags: int) -> regex.Pattern[str] | None:
    """Compile a pattern; None when it is invalid or longer than ``MAX_PATTERN_CHARS``."""
    if len(pattern) > MAX_PATTERN_CHARS:
        return None
    try:
        return regex.compile(pattern, flags)
    except (regex.error, ValueError, RecursionError, OverflowError):
        return None


def find_matches(
    pattern: str, text: str, flags: int = 0, timeout_s: float = TIME_LIMIT_S
) -> list[regex.Match[str]]:
    """Return all matches of an untrusted pattern; none when it is invalid or runs out of time."""
    compiled = compile_pattern(pattern, flags)
    if compiled is None:
        return []
    try:
        return list(_iterate(compiled, text, timeout_s))
    except TimeoutError:
        return []


def _iterate(compiled: regex.Pattern[str], text: str, timeout_s: float) -> Iterator[regex.Match[str]]:
    # The time limit holds for the whole search, not for each match.
    return compiled.finditer(text, timeout=timeout_s)


def last_capture(match: regex.Match[str]) -> str:
    """Return the last non-empty group of a match, or the whole match when it has none."""
    return next((g for g in reversed(match.groups()) if g), match.group(0))
