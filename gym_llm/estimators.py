"""Estimators over repeated attempts: pass@k, pass^k, majority@k, and intervals by bootstrap."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

FloatArray = np.ndarray[Any, np.dtype[np.float64]]

RESAMPLES = 2000
CONFIDENCE = 0.95
MAX_BLOCK = 1 << 20
"""Numbers that a block of resamples takes; all of them at once would not fit in memory."""
MAX_VOTES = 512
"""More attempts at one task take no part in its vote: the binomials would not fit a float."""


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the unbiased estimate of the chance that one of k attempts is right, c of n being right.

    Source: Chen et al. 2021, Evaluating Large Language Models Trained on Code.

    Raises:
        ValueError: k is not between 1 and n.

    >>> round(pass_at_k(4, 2, 2), 4)
    0.8333
    """
    _check(n, k)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def pass_hat_k(n: int, c: int, k: int) -> float:
    """Return the unbiased estimate of pass^k, the chance that all of k attempts are right.

    Source: Yao et al. 2024, tau-bench.

    Raises:
        ValueError: k is not between 1 and n.

    >>> round(pass_hat_k(4, 2, 2), 4)
    0.1667
    """
    _check(n, k)
    return math.comb(c, k) / math.comb(n, k)


def _check(n: int, k: int) -> None:
    if not 1 <= k <= n:
        raise ValueError(f"k must be between 1 and n, got k={k}, n={n}")


def majority_at(answers: Sequence[str | None], values: Sequence[float]) -> tuple[float, ...]:
    """Return majority@k for k = 1 to n: what the most frequent answer of k attempts is worth.

    Exact: the mean over all subsets of k attempts. Attempts without an answer do not vote, answers with
    equally many votes share the worth, and a vote without any answer is worth 0. An answer is worth the
    mean value of the attempts that gave it.

    Args:
        answers: of n attempts at one task; None for none.
        values: what each attempt earned; attempts beyond ``MAX_VOTES`` are left out of both.

    >>> majority_at(["A", "B", "B"], [1.0, 0.0, 0.0])
    (0.3333333333333333, 0.3333333333333333, 0.0)
    """
    groups: dict[str, list[float]] = {}
    silent = 0
    for answer, value in zip(answers[:MAX_VOTES], values, strict=False):
        if answer is None:
            silent += 1
        else:
            groups.setdefault(answer, []).append(value)
    sizes = sorted((len(group), sum(group) / len(group)) for group in groups.values())
    return _majority(silent, tuple(sizes))


@functools.lru_cache(maxsize=1 << 14)
def _majority(silent: int, groups: tuple[tuple[int, float], ...]) -> tuple[float, ...]:
    n = silent + sum(size for size, _ in groups)
    worth = np.zeros(n + 1)
    for votes in range(1, max((size for size, _ in groups), default=0) + 1):
        worth += _worth_of_winners(n, votes, groups, silent)
    return tuple(float(worth[k]) / math.comb(n, k) for k in range(1, n + 1))


def _worth_of_winners(
    n: int, votes: int, groups: Sequence[tuple[int, float]], silent: int
) -> FloatArray:
    """Return, for every k, the worth of the winners summed over the subsets won with ``votes`` votes.

    ``ways[t, k]`` counts the subsets of k attempts in which t answers have exactly that many votes and
    none has more; ``worth[t, k]`` sums the values of those t answers over them.
    """
    rivals = [group for group in groups if group[0] >= votes]
    others = silent + sum(size for size, _ in groups if size < votes)
    ways = np.zeros((len(rivals) + 1, n + 1))
    ways[0, : others + 1] = [math.comb(others, k) for k in range(others + 1)]
    worth = np.zeros_like(ways)
    for size, value in rivals:
        new_ways, new_worth = np.zeros_like(ways), np.zeros_like(ways)
        for drawn in range(votes):
            new_ways[:, drawn:] += math.comb(size, drawn) * ways[:, : n + 1 - drawn]
            new_worth[:, drawn:] += math.comb(size, drawn) * worth[:, : n + 1 - drawn]
        wins = math.comb(size, votes)
        new_ways[1:, votes:] += wins * ways[:-1, : n + 1 - votes]
        new_worth[1:, votes:] += wins * (worth + value * ways)[:-1, : n + 1 - votes]
        ways, worth = new_ways, new_worth
    shares = worth[1:] / np.arange(1, len(rivals) + 1)[:, None]
    total: FloatArray = shares.sum(axis=0)
    return total


def bootstrap_interval(values: FloatArray) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the mean of one value a task; see `bootstrap_intervals`."""
    if len(values) < 2:
        return None, None
    low, high = bootstrap_intervals(values[:, None])
    return float(low[0]), float(high[0])


def bootstrap_intervals(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the 95 % intervals of column means: percentiles over resampled tasks.

    The same values give the same interval, and all columns see the same resamples.

    Args:
        values: of shape (tasks, metrics), at least two tasks.

    Returns:
        Lower and upper ends, each of shape (metrics,).
    """
    rng = np.random.default_rng(0)
    tasks = len(values)
    # Tasks with equal values need not be told apart: how often they are drawn together is multinomial.
    rows, counts = np.unique(values, axis=0, return_counts=True)
    block = max(1, MAX_BLOCK // len(rows))
    means = np.concatenate(
        [
            rng.multinomial(tasks, counts / tasks, size=min(block, RESAMPLES - start)) @ rows / tasks
            for start in range(0, RESAMPLES, block)
        ]
    )
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)
    return low, high
