"""Estimators over repeated attempts against brute force and known figures."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest

from gym_llm.estimators import MAX_VOTES, bootstrap_interval, majority_at, pass_at_k, pass_hat_k


@pytest.mark.parametrize(
    ("n", "c", "k", "value"), [(4, 2, 1, 0.5), (4, 2, 2, 5 / 6), (4, 0, 4, 0.0), (3, 3, 1, 1.0)]
)
def test_pass_at_k(n: int, c: int, k: int, value: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(value)


@pytest.mark.parametrize(
    ("n", "c", "k", "value"), [(4, 2, 1, 0.5), (4, 2, 2, 1 / 6), (4, 3, 4, 0.0), (3, 3, 3, 1.0)]
)
def test_pass_hat_k(n: int, c: int, k: int, value: float) -> None:
    assert pass_hat_k(n, c, k) == pytest.approx(value)


def test_more_attempts_than_there_are_is_refused() -> None:
    for estimate in (pass_at_k, pass_hat_k):
        with pytest.raises(ValueError, match="k must be between"):
            estimate(2, 1, 3)


def majority_by_counting(answers: list[str | None], values: list[float], k: int) -> float:
    groups: dict[str | None, list[float]] = {}
    for answer, value in zip(answers, values, strict=True):
        groups.setdefault(answer, []).append(value)
    worths = []
    for subset in itertools.combinations(answers, k):
        votes = Counter(answer for answer in subset if answer is not None)
        top = [answer for answer in votes if votes[answer] == max(votes.values())]
        worths.append(np.mean([np.mean(groups[answer]) for answer in top]) if top else 0.0)
    return float(np.mean(worths))


@pytest.mark.parametrize("seed", range(20))
def test_majority_is_the_mean_over_all_subsets(seed: int) -> None:
    rng = random.Random(seed)
    answers = [rng.choice(["A", "B", "C", None]) for _ in range(rng.randint(1, 7))]
    values = [float(rng.random() < 0.5) for _ in answers]
    expected = [majority_by_counting(answers, values, k) for k in range(1, len(answers) + 1)]
    assert majority_at(answers, values) == pytest.approx(expected)


def test_more_votes_than_a_float_can_count_are_left_out() -> None:
    assert len(majority_at(["A"] * 3000, [1.0] * 3000)) == MAX_VOTES


def test_interval_of_one_task_is_unknown() -> None:
    assert bootstrap_interval(np.array([1.0])) == (None, None)


def test_interval_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(100):
        low, high = bootstrap_interval(rng.random(40))
        assert low is not None
        assert high is not None
        hits += low <= 0.5 <= high
    assert 85 <= hits <= 100


def test_interval_of_equal_values_is_that_value() -> None:
    assert bootstrap_interval(np.full(30, 0.25)) == (0.25, 0.25)
