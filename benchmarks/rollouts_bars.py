"""The bars that our collector must clear, each with what the floor did in the same run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rollouts_rows import Row

RECORDED_NEMO_GYM_MS = 10.7
"""Processor time of a rollout of NeMo Gym 0.5.1 without latency at concurrency 64, measured on another
machine of two cores; for runs that cannot measure it."""


@dataclass(frozen=True)
class Bar:
    """One demand."""

    demand: str
    figure: float | None
    """None if it was not measured."""
    least: float | None = None
    most: float | None = None
    floor: float | None = None
    """The same figure of the raw loop."""
    note: str = ""

    @property
    def verdict(self) -> str:
        """``pass``, ``FAIL`` or ``not measured``."""
        if self.figure is None:
            return "not measured"
        is_cleared = (self.least is None or self.figure >= self.least) and (
            self.most is None or self.figure <= self.most
        )
        return "pass" if is_cleared else "FAIL"


class Table:
    """Rows by case and contender; those that failed are as good as not there."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = {(row.case.name, row.contender): row for row in rows if row.runs and not row.error}

    def row(self, case: str, contender: str) -> Row | None:
        """Return a row, if it was measured."""
        return self._rows.get((case, contender))

    def cpu_ms(self, case: str, contender: str) -> float | None:
        """Return the processor time of a rollout, without that of starting the command."""
        row, start = self.row(case, contender), self.row("start", contender)
        if row is None or start is None:
            return None
        return max(0.0, row.best.cpu_s - start.best.cpu_s) / row.best.rollouts * 1e3

    def value(self, case: str, contender: str, name: str) -> float | None:
        """Return a figure of a row."""
        row = self.row(case, contender)
        found: float | None = getattr(row, name) if row else None
        return found

    def peak_mb(self, case: str, contender: str) -> float | None:
        """Return the largest memory of a row."""
        row = self.row(case, contender)
        return row.best.peak_mb if row else None


def bars(rows: Sequence[Row]) -> list[Bar]:
    """Return every bar with what was measured."""
    table = Table(rows)
    return [*_speed(table), *_cost(table), *_start(table), *_memory(table)]


def _speed(table: Table) -> Iterator[Bar]:
    for case, least in (("100 ms, 16", 0.95), ("100 ms, 64", 0.85)):
        ours, floor = (table.value(case, name, "share") for name in ("gym_llm", "raw"))
        yield Bar(f"share of the ideal, {case}", ours, least=least, floor=floor)
    ours, floor = (table.value("100 ms, 512", name, "rate") for name in ("gym_llm", "raw"))
    yield Bar("rollouts/s, 100 ms, 512", ours, least=900, floor=floor)


def _cost(table: Table) -> Iterator[Bar]:
    ours, floor, theirs = (table.cpu_ms("0 ms, 64", name) for name in ("gym_llm", "raw", "nemo_gym"))
    note = "of NeMo Gym in this run"
    if theirs is None:
        theirs, note = RECORDED_NEMO_GYM_MS, "of NeMo Gym as recorded elsewhere, not in this run"
    yield Bar(
        "rollouts per CPU second / NeMo Gym's, 0 ms, 64",
        theirs / ours if ours else None,
        least=10,
        floor=theirs / floor if floor else None,
        note=f"{theirs:.1f} ms a rollout {note}",
    )
    for case in ("100 ms, 64", "100 ms, 512"):
        ours, floor = (table.cpu_ms(case, name) for name in ("gym_llm", "raw"))
        yield Bar(f"CPU ms a rollout, {case}", ours, most=1.3, floor=floor)
    low, high = (table.cpu_ms(f"100 ms, {n}", "gym_llm") for n in (64, 512))
    floor_low, floor_high = (table.cpu_ms(f"100 ms, {n}", "raw") for n in (64, 512))
    yield Bar(
        "CPU a rollout, 512 / 64",
        high / low if low and high else None,
        most=1.15,
        floor=floor_high / floor_low if floor_low and floor_high else None,
    )


def _start(table: Table) -> Iterator[Bar]:
    ours, floor = (table.value("start", name, "first_request_s") for name in ("gym_llm", "raw"))
    yield Bar("seconds from command to first request", ours, most=2.0, floor=floor)


def _memory(table: Table) -> Iterator[Bar]:
    ratios = []
    for name in ("gym_llm", "raw"):
        few, many = (table.peak_mb(f"memory, {n}", name) for n in ("once", "10 times"))
        ratios.append(many / few if few and many else None)
    yield Bar("peak memory, tasks 10 times / once", ratios[0], most=1.1, floor=ratios[1])
