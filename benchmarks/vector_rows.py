"""Turns: candidates step one after the other in short slices, and a row says what each of them did."""

import itertools
import statistics
from dataclasses import dataclass, field, replace
from typing import Any

from vector_candidates import CANDIDATES, Case
from vector_meter import Meter, Slice
from vector_runners import Runner

TRIES = 4


@dataclass
class Row:
    """What one candidate did in one case, slice by slice."""

    part: str
    case: str
    num_envs: int
    candidate: str
    slices: list[Slice] = field(default_factory=list)
    starts: list[tuple[float, float | None]] = field(default_factory=list)
    """Seconds, and MB for each environment."""
    error: str | None = None

    def record(self) -> dict[str, Any]:
        """Return what goes into a JSON file."""
        found: dict[str, Any] = {k: v for k, v in vars(self).items() if k not in ("slices", "starts")}
        if self.slices:
            found["rates"] = [round(s.rate, 1) for s in self.slices]
            found |= {name: self.median(name) for name in ("rate", "cpu_us", "others")}
        if self.starts:
            found["start_s"], found["mb_per_env"] = self.start()
        return found

    def median(self, name: str) -> float:
        """Return the median of a figure over the slices."""
        return float(statistics.median(getattr(s, name) for s in self.slices))

    def start(self) -> tuple[float, float | None]:
        """Return median seconds and MB."""
        seconds, memory = zip(*self.starts, strict=True)
        return statistics.median(seconds), None if None in memory else statistics.median(memory)


Rows = dict[tuple[str, str, int, str], Row]


def measure(case: Case, passes: int, quiet: float) -> list[Row]:
    """Let the candidates take turns."""
    rows = [Row(case.part, case.label, case.size, name) for name in case.candidates]
    running: dict[str, Runner] = {}
    for number, row in itertools.product(range(passes), rows):
        if row.error is not None:
            continue
        try:
            if row.candidate not in running:
                # The same seed for all candidates: those in lock-step then wait for the same.
                running[row.candidate] = _made(row.candidate, replace(case, seed=1000 * number))
            row.slices.append(_undisturbed(running[row.candidate], case, quiet))
        except Exception as error:  # a candidate that fails is a result, and the others go on
            row.error = f"{type(error).__name__}: {error}"[:200]
        if case.rounds and row.candidate in running:
            running.pop(row.candidate).close()
    for runner in running.values():
        runner.close()
    return rows


def _undisturbed(runner: Runner, case: Case, quiet: float) -> Slice:
    """Return a slice during which others were quiet, or the least disturbed of a few."""
    found = [runner.run(Meter(case.seconds, case.rounds))]
    # Where steps wait, other load matters little, and further rounds would have other waits.
    while case.part != "waits" and found[-1].others > quiet and len(found) < TRIES:
        found.append(runner.run(Meter(case.seconds, case.rounds)))
    return min(found, key=lambda s: s.others)


def _made(name: str, case: Case) -> Runner:
    runner = CANDIDATES[name](case)
    bare = case.makers[0]()
    expected = bare.reset(seed=case.seed)[0]
    bare.close()
    if runner.first[0] != expected:
        runner.close()
        raise ValueError("the first observation is not that of the environment")
    return runner


def ratios(rows: Rows, part: str, case: str, size: int, ours: str, peer: str) -> list[float]:
    """Return the ratios of rates within each pass; none where one of the two was not measured."""
    pair = [rows.get((part, case, size, name)) for name in (ours, peer)]
    if any(row is None or row.error for row in pair):
        return []
    return [a.rate / b.rate for a, b in zip(*(row.slices for row in pair if row), strict=True)]
