"""Bars: the figures to reach, and what a run says about them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from vector_candidates import AIO, ASYNC, BARE, LOCAL, LOOPS, RECV, STEP, SYNC
from vector_rows import Rows, ratios
from vector_starts import IMPORT, INTERPRETERS


@dataclass(frozen=True)
class Bar:
    """A figure to reach, and what this run says."""

    what: str
    num_envs: int
    target: float
    is_limit: bool = False
    """The target is the most that is allowed, rather than the least."""
    figure: float | None = None
    spread: tuple[float, float] | None = None
    floor: float | None = None
    """What the least that could do it reaches in this run."""

    @property
    def verdict(self) -> str:
        """``pass``, ``FAIL``, or ``-`` where nothing was measured."""
        if self.figure is None:
            return "-"
        is_met = self.figure <= self.target if self.is_limit else self.figure >= self.target
        return "pass" if is_met else "FAIL"


FLOORS = {"cheap": (BARE,), "real": (BARE, LOOPS)}
"""The candidates that bound those of two processes; what steps here or waits has no floor."""
SHORT, SHORT_INFO, LONG, LONG_INFO = "200 chars", "200 chars, info", "8000 chars", "8000 chars, info"
RATIO_BARS: tuple[tuple[str, str, tuple[str, ...], str, dict[int, float]], ...] = (
    ("cheap", SHORT, (STEP,), ASYNC, {8: 2.0, 64: 8.0, 512: 25.0, 2048: 45.0}),
    ("cheap", SHORT, (STEP,), SYNC, {8: 0.25, 64: 0.8, 512: 1.15, 2048: 1.2}),
    ("cheap", LONG, (STEP,), ASYNC, {8: 2.0, 64: 4.5, 512: 14.0}),
    ("cheap", SHORT, (LOCAL,), SYNC, {8: 1.2, 64: 1.1, 512: 1.1, 2048: 1.1}),
    ("cheap", SHORT_INFO, (LOCAL,), SYNC, {64: 2.0, 512: 1.8}),
    ("cheap", SHORT_INFO, (STEP,), SYNC, {64: 1.4, 512: 1.6}),
    ("waits", "10 ms", (RECV, AIO), ASYNC, {8: 2.5, 64: 5.0, 512: 12.0}),
    ("waits", "10 ms", (STEP,), ASYNC, {8: 0.97, 64: 0.97, 512: 1.0}),
    ("real", "Sokoban", (STEP,), SYNC, {64: 1.7}),
    ("real", "MathDAPO17k", (STEP,), SYNC, {64: 1.7}),
)
"""Part, case, ours (the better counts), peer, and the least ratio for each number of environments."""
START_BARS: tuple[tuple[str, int, str, dict[int, float]], ...] = (
    ("start-up, s", 0, "spawn", {8: 0.3, 64: 0.4, 512: 0.5, 2048: 1.0}),
    ("MB an environment", 1, "fork", {8: 1.5, 64: 0.3, 512: 0.1, 2048: 0.06}),
    ("MB an environment", 1, "spawn", {8: 7.0, 64: 1.0, 512: 0.2}),
)
"""Figure, its place in a start, how 2 workers start, and the most for each number of environments."""


def bars(rows: Rows) -> list[Bar]:
    """Compare the rows with the targets."""
    found = []
    for part, case, ours, peer, targets in RATIO_BARS:
        what = f"{part}, {case}: {' or '.join(ours)} / {peer}"
        for size, target in targets.items():
            best = _best(rows, part, case, size, ours, peer)
            bounds = FLOORS.get(part, ()) if STEP in ours else ()
            floor = _best(rows, part, case, size, bounds, peer)
            found.append(_bar(what, size, target, False, best, floor))
    for what, place, context, targets in START_BARS:
        for size, target in targets.items():
            figures = _starts(rows, context, size, STEP, place)
            floor = _starts(rows, IMPORT, size, INTERPRETERS, 0) if place == 0 else []
            found.append(_bar(f"{what}: {STEP}, {context}", size, target, True, figures, floor))
    return found


def _best(rows: Rows, part: str, case: str, size: int, names: Sequence[str], peer: str) -> list[float]:
    """Return the ratios to a peer of the best of some candidates."""
    measured = [r for name in names if (r := ratios(rows, part, case, size, name, peer))]
    return max(measured, key=statistics.median, default=[])


def _starts(rows: Rows, case: str, size: int, name: str, place: int) -> list[float]:
    row = rows.get(("starts", case, size, name))
    if row is None or row.error:
        return []
    return [figure for start in row.starts if (figure := start[place]) is not None]


def _bar(
    what: str,
    size: int,
    target: float,
    is_limit: bool,
    figures: Sequence[float],
    floor: Sequence[float],
) -> Bar:
    least = statistics.median(floor) if floor else None
    if not figures:
        return Bar(what, size, target, is_limit, floor=least)
    spread = min(figures), max(figures)
    return Bar(what, size, target, is_limit, statistics.median(figures), spread, least)
