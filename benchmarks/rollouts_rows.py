"""Rows of the table: one contender in one case, measured on the client's and the endpoint's side."""

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from model_server import Latency
from rollouts_contenders import Contender, Job
from rollouts_meter import measure
from rollouts_tasks import Rows, write_rows


@dataclass(frozen=True)
class Case:
    """What all contenders are asked to do."""

    name: str
    latency: str
    """As the endpoint's option has it."""
    concurrency: int
    tasks: int
    repeats: int = 1
    is_memory_wanted: bool = False
    passes: int | None = None
    """Of each contender; None for as many as the command line says."""

    @property
    def rollouts(self) -> int:
        """Rollouts of a run."""
        return self.tasks * self.repeats


@dataclass(frozen=True)
class Run:
    """One run of a contender; times in seconds."""

    rollouts: int
    wall_s: float
    """From the first request to the last answer, at the endpoint."""
    command_s: float
    """From the command's start to its end."""
    first_request_s: float
    """From the command's start."""
    cpu_s: float
    peak_mb: float | None
    most_in_flight: int
    server_cpu_s: float
    others: float
    left_over: int


@dataclass
class Row:
    """What a contender did in a case, in several runs."""

    case: Case
    contender: str
    ideal_s: float
    """Time from first request to last answer of a client that only waits: its list schedule."""
    runs: list[Run]
    error: str | None = None

    @property
    def best(self) -> Run:
        """The run during which other programs were least busy."""
        return min(self.runs, key=lambda run: run.others)

    @property
    def rate(self) -> float:
        """Rollouts a second."""
        return self.best.rollouts / self.best.wall_s

    @property
    def share(self) -> float | None:
        """Part of the ideal rate; None without latency, where there is no ideal."""
        return self.ideal_s / self.best.wall_s if self.ideal_s else None

    @property
    def cpu_ms(self) -> float:
        """Processor time of a rollout, the command's start included."""
        return self.best.cpu_s / self.best.rollouts * 1e3

    @property
    def first_request_s(self) -> float:
        """Median time from the command to its first request."""
        return statistics.median(run.first_request_s for run in self.runs)

    def to_json(self) -> dict[str, Any]:
        """Return the row as plain data."""
        found: dict[str, Any] = {"contender": self.contender, **asdict(self.case), "error": self.error}
        if self.runs:
            found |= {"rate": self.rate, "share": self.share, "cpu_ms": self.cpu_ms}
            found["first_request_s"] = self.first_request_s
        return {**found, "ideal_s": self.ideal_s, "runs": [asdict(run) for run in self.runs]}


class Endpoint:
    """The scripted endpoint in a process of its own."""

    def __init__(self, python: str) -> None:
        command = [python, str(Path(__file__).parent / "model_server.py")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.base_url = self.process.stdout.readline().strip()

    def reset(self, script: Mapping[str, Any]) -> None:
        """Set latency and faults, and count from 0."""
        self._ask("reset", json.dumps(script).encode())

    def stats(self) -> dict[str, Any]:
        """Return what was asked since the reset."""
        found: dict[str, Any] = self._ask("stats")
        return found

    def close(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()

    def _ask(self, what: str, body: bytes | None = None) -> Any:
        if (ended := self.process.poll()) is not None:
            raise RuntimeError(f"the endpoint has ended, with {ended}")
        with urllib.request.urlopen(f"{self.base_url.removesuffix('/v1')}/{what}", body, 10.0) as reply:
            return json.load(reply)


def measure_case(
    case: Case,
    contenders: Sequence[Contender],
    services: Mapping[str, subprocess.Popen[bytes]],
    endpoint: Endpoint,
    passes: int,
    timeout_s: float,
) -> list[Row]:
    """Let the contenders take turns."""
    latency = Latency.parse(case.latency)
    with tempfile.TemporaryDirectory() as folder:
        rows = write_rows(Path(folder) / "rows.jsonl", case.tasks)
        ideal_s = rows.ideal_s(latency, case.concurrency, case.repeats)
        found = [Row(case, contender.name, ideal_s, []) for contender in contenders]
        for _ in range(case.passes or passes):
            for row, contender in zip(found, contenders, strict=True):
                if row.error is None:
                    sys.stderr.write(f"{case.name}: {contender.name}\n")
                    service = services.get(contender.name)
                    result = _run(case, contender, service, rows, endpoint, timeout_s)
                    if isinstance(result, Run):
                        row.runs.append(result)
                    else:
                        row.error = result
    return found


def _run(
    case: Case,
    contender: Contender,
    service: subprocess.Popen[bytes] | None,
    rows: Rows,
    endpoint: Endpoint,
    timeout_s: float,
) -> Run | str:
    """Return what a run cost, or why it does not count."""
    endpoint.reset({"latency": case.latency})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "job").mkdir()
        job = Job(endpoint.base_url, rows.path, case.concurrency, case.repeats, folder / "job")
        cost = measure(
            contender.command(job),
            cwd=contender.cwd,
            env=contender.env,
            output=folder / "stdout",
            timeout_s=timeout_s,
            server=endpoint.process,
            services=[service.pid] if service else [],
            is_memory_wanted=case.is_memory_wanted,
        )
        stats = endpoint.stats()
        if cost.returncode != 0:
            ending = "was ended after the time limit" if cost.returncode is None else "failed"
            return f"{ending}: {(folder / 'stdout.stderr').read_text()[-400:]}"
        outcome = contender.outcome(job, (folder / "stdout").read_text())
    expected = case.rollouts, rows.right * case.repeats
    if (outcome.rollouts, round(outcome.right)) != expected or stats["requests"] != case.rollouts:
        return f"counts {outcome} after {stats['requests']} requests, expected {expected}"
    return Run(
        rollouts=outcome.rollouts,
        wall_s=stats["last_answer"] - stats["first_request"],
        command_s=cost.wall_s,
        first_request_s=stats["first_request"] - cost.started_at,
        cpu_s=cost.cpu_s,
        peak_mb=cost.peak_mb,
        most_in_flight=stats["most_in_flight"],
        server_cpu_s=stats["cpu_s"],
        others=cost.others,
        left_over=cost.left_over,
    )
