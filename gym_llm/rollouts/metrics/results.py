"""The metrics of a run: numbers with their intervals, and the failures beside them."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from gym_llm.rollouts.metrics.groups import Estimate

FORMAT_VERSION = 1
"""Of ``metrics.json``."""

MAX_LINES = 12


@dataclass(frozen=True)
class Counts:
    """How the rollouts ended."""

    records: int
    completed: int
    truncated: int
    failed: dict[str, int]
    """By kind; failed rollouts count in no metric."""
    never_run: int | None
    """Planned and without a record; None where the plan is not known."""
    tasks: int
    """Tasks with a record."""
    scored_tasks: int
    """Tasks with a rollout that counts."""

    @property
    def failures(self) -> int:
        """Rollouts that failed, of all kinds."""
        return sum(self.failed.values())


@dataclass(frozen=True)
class Line:
    """One headline figure, with what is missing from it."""

    env_id: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    """Ends of the 95 % interval; None where there is none."""
    tasks: int
    """Tasks that the value is a mean over."""
    failed: int
    never_run: int | None
    records: int
    subset: str | None = None
    note: str = ""

    @property
    def missing(self) -> str:
        """What is missing from the value, in words: ``3 of 40 failed, 2 never run``."""
        words = f"{self.failed} of {self.records} failed"
        return f"{words}, {self.never_run} never run" if self.never_run else words


@dataclass(frozen=True)
class EnvMetrics:
    """The metrics of one environment, or of a subset of its rollouts; docs/metrics.md defines each."""

    env_id: str
    counts: Counts
    threshold: float
    """The reward that is a pass, where the verifier does not report ``success``."""
    repeats: int = 0
    """Most rollouts of a task that count."""
    metrics: dict[str, Estimate] = field(default_factory=dict)
    """Over all scored tasks, so that k goes as far as the task with the fewest rollouts."""
    complete: dict[str, Estimate] = field(default_factory=dict)
    """The same up to k = ``repeats`` over the tasks that have so many; empty where all have."""
    repeat_means: list[float] = field(default_factory=list)
    """Mean reward of the complete tasks at each repeat."""
    standard_error: float | None = None
    """Of the mean reward, from the spread of ``repeat_means``; None with fewer than two repeats."""
    components: dict[str, Estimate] = field(default_factory=dict)
    """Mean of each component of the reward."""
    fields: dict[str, float] = field(default_factory=dict)
    """Mean of each number and boolean that the verifier reports, balanced over tasks."""
    own: dict[str, float] = field(default_factory=dict)
    """Metrics that the environment defines itself."""
    percentiles: dict[str, dict[str, float]] = field(default_factory=dict)
    """Of turns, lengths, times and tokens: ``p50``, ``p90``, ``p99``, ``mean``, ``max``."""
    totals: dict[str, float | None] = field(default_factory=dict)
    """Tokens, model calls and cost of all rollouts, failed ones included."""
    subsets: dict[str, "EnvMetrics"] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Rollouts that broke off or could not be graded."""
        return self.counts.failures

    @property
    def mean_reward(self) -> Estimate | None:
        """Mean over tasks of each task's mean reward; None without a rollout that counts."""
        return self.metrics.get("mean_reward")

    def best(self, name: str, k: int) -> tuple[Estimate | None, str]:
        """Return a metric over k attempts, and a note where it is over the complete tasks alone."""
        key = f"{name}{k}"
        if key in self.metrics:
            return self.metrics[key], ""
        found = self.complete.get(key)
        return found, f"over the {found.tasks} tasks with {k} rollouts" if found else ""

    def lines(self) -> list[Line]:
        """Return the figures that matter most, most important first."""
        found = [self.line("mean_reward", self.mean_reward)]
        if self.repeats:
            ks = {"pass@": (1, self.repeats), "pass^": (self.repeats,), "majority@": (self.repeats,)}
            for name, wanted in ks.items():
                for k in dict.fromkeys(k for k in wanted if k > 1 or name == "pass@"):
                    estimate, note = self.best(name, k)
                    if estimate:
                        found.append(self.line(f"{name}{k}", estimate, note))
        found += [self._plain(name, value) for name, value in self.own.items() if "/" not in name]
        if len(self.components) > 1:
            found += [self.line(f"rewards/{name}", e) for name, e in self.components.items()]
        for name, key in (("output_tokens", "p50"), ("turns", "p50"), ("duration_s", "p90")):
            if name in self.percentiles:
                found.append(self._plain(f"{name}_{key}", self.percentiles[name][key]))
        return found

    def line(self, metric: str, estimate: Estimate | None, note: str = "") -> Line:
        """Return an estimate as a line, with the failures beside it."""
        low, high = (estimate.low, estimate.high) if estimate else (None, None)
        value, tasks = (estimate.value, estimate.tasks) if estimate else (None, 0)
        counts = self.counts
        missing = (counts.failures, counts.never_run, counts.records)
        return Line(self.env_id, metric, value, low, high, tasks, *missing, note=note)

    def _plain(self, metric: str, value: float) -> Line:
        return self.line(metric, Estimate(value, None, None, self.counts.scored_tasks))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that JSON can hold, with the failures beside every estimate."""
        failed = {"failed": self.failed, "never_run": self.counts.never_run}
        found = asdict(self)
        found["threshold"] = self.threshold if math.isfinite(self.threshold) else None
        found["counts"]["failures"] = self.failed
        for name in ("metrics", "complete", "components"):
            found[name] = {k: {**asdict(e), **failed} for k, e in getattr(self, name).items()}
        found["subsets"] = {label: m.to_dict() for label, m in self.subsets.items()}
        return found


@dataclass(frozen=True)
class RunMetrics:
    """The metrics of a run, by environment."""

    environments: dict[str, EnvMetrics]

    def __getitem__(self, env_id: str) -> EnvMetrics:
        return self.environments[env_id]

    @property
    def failures(self) -> int:
        """Rollouts that failed, in all environments."""
        return sum(m.failed for m in self.environments.values())

    def headline(self, most: int = MAX_LINES) -> list[Line]:
        """Return the figures of first rank, at most 12 lines in all.

        The environments share the lines equally and each uses its share for what matters most, so that
        with more than six environments each has its mean reward alone. With more than 12 there is still
        one line for each: none is left out.
        """
        share = max(1, most // max(1, len(self.environments)))
        return [line for m in self.environments.values() for line in m.lines()[:share]]

    def subset_lines(self) -> list[Line]:
        """Return the mean reward of every subset."""
        found = []
        for env in self.environments.values():
            for label, subset in env.subsets.items():
                line = subset.line("mean_reward", subset.mean_reward)
                found.append(Line(**{**asdict(line), "subset": label}))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``metrics.json``."""
        environments = {env_id: m.to_dict() for env_id, m in self.environments.items()}
        return {"format_version": FORMAT_VERSION, "environments": environments}
