"""Two runs side by side: figures worked out by hand, tests with known values, and refusals."""

import math
import random
from pathlib import Path

import pytest

from gym_llm.errors import ConfigError
from gym_llm.rollouts.compare import (
    Difference,
    EnvComparison,
    Gate,
    compare,
    detectable,
    difference,
    mcnemar,
)
from gym_llm.rollouts.records import FailureRecord, Rollout
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.runs import MCQA, make_run, rollout

BROKEN = FailureRecord(kind="env_crash", cause="WorkerDied", message="")
BLACKJACK = "gym_llm/Blackjack-v0"


def run_of(path: Path, *rewards: float, **values: object) -> RunFolder:
    return make_run(path, [rollout(t, reward=r) for t, r in enumerate(rewards)], **values)


def only(found: list[EnvComparison]) -> EnvComparison:
    (comparison,) = found
    return comparison


@pytest.mark.parametrize(
    ("won", "lost", "p"),
    [
        pytest.param(0, 0, 1.0, id="no-flips"),
        pytest.param(5, 0, 0.0625, id="five-to-none"),
        pytest.param(10, 2, 0.038574, id="ten-to-two"),
        pytest.param(2, 10, 0.038574, id="two-to-ten"),
        pytest.param(6, 1, 0.125, id="six-to-one"),
        pytest.param(4, 4, 1.0, id="even"),
    ],
)
def test_mcnemar(won: int, lost: int, p: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(p, rel=1e-4)


def test_mcnemar_is_twice_the_tail_of_the_binomial() -> None:
    tail = sum(math.comb(180, k) for k in range(60))
    assert mcnemar(121, 59) == pytest.approx(2 * tail / 2**180, rel=1e-12)


def test_mcnemar_of_thousands_is_near_the_normal_distribution() -> None:
    won, lost = 20_000, 19_600
    z = (won - lost - 1) / math.sqrt(won + lost)
    assert mcnemar(won, lost) == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.01)


def test_mcnemar_refuses_negative_counts() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        mcnemar(-1, 2)


def test_comparison_by_hand(tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", 1, 0, 0, 1, 1)
    b = make_run(
        tmp_path / "b",
        [
            *(rollout(t, reward=r) for t, r in enumerate((1.0, 1.0, 1.0, 0.0))),
            rollout(4, failure=BROKEN),
        ],
    )
    found = only(compare(a, b))
    # Differences 0, 1, 1, -1: of the resampled means 2 % are below -1/2, and 6 % are 1.
    # Their deviation is sqrt(2.75 / 3), the standard error half of it.
    reward = Difference(0.5, 0.75, 0.25, -0.5, 1.0, pytest.approx(1.341157, abs=1e-6))
    assert found == EnvComparison(
        env_id=MCQA,
        pairs=4,
        only_a=["task-4"],
        only_b=[],
        failed_a=0,
        failed_b=1,
        metrics={"reward": reward, "pass": reward},
        won=["task-1", "task-2"],
        lost=["task-3"],
        both=1,
        neither=0,
        p_value=1.0,
    )
    assert found.verdict == "too few pairs for a verdict, 4 of 6: +0.2500 reward"


def test_repeats_are_averaged_and_a_pass_needs_more_than_half_of_them(tmp_path: Path) -> None:
    def repeated(path: Path, rewards: list[list[float]]) -> RunFolder:
        found = [rollout(t, r, x) for t, row in enumerate(rewards) for r, x in enumerate(row)]
        return make_run(path, found)

    a = repeated(tmp_path / "a", [[1, 0, 0], [1, 1, 0], [0, 0, 0.5]])
    b = repeated(tmp_path / "b", [[1, 1, 0], [1, 0], [0, 0, 0]])
    found = only(compare(a, b))
    assert (found.won, found.lost, found.both, found.neither) == (["task-0"], ["task-1"], 0, 1)
    assert found.metrics["reward"].a == pytest.approx((1 / 3 + 2 / 3 + 1 / 6) / 3)
    assert found.metrics["reward"].b == pytest.approx((2 / 3 + 1 / 2) / 3)
    assert found.metrics["pass"].difference == pytest.approx((1 / 3 - 1 / 6) / 3)


def test_a_threshold_says_what_a_pass_is(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", 0.2, 0.9), run_of(tmp_path / "b", 0.7, 0.4)
    assert only(compare(a, b)).neither == 2
    found = only(compare(a, b, threshold=0.5))
    assert (found.won, found.lost) == (["task-0"], ["task-1"])


def test_the_order_of_completion_changes_nothing(tmp_path: Path) -> None:
    rng = random.Random(1)

    def run(path: Path, rewards: list[float], shuffled: bool) -> RunFolder:
        found: list[Rollout] = [rollout(t, reward=r) for t, r in enumerate(rewards)]
        if shuffled:
            rng.shuffle(found)
        return make_run(path, found)

    ours, theirs = ([rng.random() for _ in range(30)] for _ in "ab")
    plain = compare(run(tmp_path / "a", ours, False), run(tmp_path / "b", theirs, False))
    assert plain == compare(run(tmp_path / "c", ours, True), run(tmp_path / "d", theirs, True))


def test_verdicts(tmp_path: Path) -> None:
    worse = run_of(tmp_path / "a", 0, 0, 0, 0, 0, 0)
    better = run_of(tmp_path / "b", 1, 0.25, 1, 1, 1, 1)
    mixed = run_of(tmp_path / "c", 1, 0, 0, 0, 0, 0)
    assert only(compare(worse, better)).verdict.startswith("B is better than A: +0.8750 reward, 95 %")
    assert only(compare(better, worse)).verdict.startswith("B is worse than A: -0.8750 reward, 95 %")
    assert only(compare(worse, worse)).verdict.startswith("no difference: +0.0000")
    # Of 6 pairs one differs by 1: the standard error is 1/6.
    assert only(compare(worse, mixed)).verdict == (
        "no difference shown: +0.1667 reward, 95 % interval +0.0000 .. +0.5000; "
        "one of 0.4669 would be found 4 times of 5"
    )


def test_detectable_difference_shrinks_with_the_root_of_the_pairs() -> None:
    few = detectable([1.0, -1.0] * 50)
    many = detectable([1.0, -1.0] * 5000)
    assert few is not None
    assert many is not None
    # 2.8016 standard errors; the deviation of equally many 1 and -1 is just above 1.
    assert few == pytest.approx(2.801585 * math.sqrt(100 / 99) / 10, abs=1e-6)
    assert few / many == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("differences", [[], [0.5], [0.5, 0.5]], ids=["none", "one", "equal"])
def test_without_spread_nothing_is_said_of_what_is_detectable(differences: list[float]) -> None:
    assert detectable(differences) is None


def test_a_difference_needs_pairs() -> None:
    with pytest.raises(ValueError, match="a pair at least"):
        difference([])


def test_environments_are_compared_one_by_one(tmp_path: Path) -> None:
    def both(path: Path, reward: float) -> RunFolder:
        own = [rollout(t, reward=reward) for t in range(2)]
        return make_run(path, [*own, *(rollout(t, env_id=BLACKJACK, reward=-reward) for t in range(2))])

    found = compare(both(tmp_path / "a", 0.5), both(tmp_path / "b", 1.0))
    assert {c.env_id: c.metrics["reward"].difference for c in found} == {BLACKJACK: -0.5, MCQA: 0.5}


def test_parts_of_one_data_set_can_be_compared(tmp_path: Path) -> None:
    found = only(compare(run_of(tmp_path / "a", 1, 1, 1), run_of(tmp_path / "b", 1, 1)))
    assert (found.pairs, found.only_a, found.only_b) == (2, ["task-2"], [])


def test_other_data_is_refused_unless_forced(tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", 1, 0)
    question = [{"role": "user", "content": "Another?"}, {"role": "assistant", "content": "A"}]
    b = make_run(tmp_path / "b", [rollout(0, reward=1.0), rollout(1, messages=question)])
    with pytest.raises(ConfigError, match="MCQA-v0, task task-1 has another row"):
        compare(a, b)
    assert only(compare(a, b, force=True)).pairs == 2


def test_runs_without_a_common_task_are_refused(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", [rollout(0)])
    b = make_run(tmp_path / "b", [rollout(1)])
    with pytest.raises(ConfigError, match="different data: gym_llm/MCQA-v0"):
        compare(a, b)
    with pytest.raises(ConfigError, match="no task with a rollout that counts in common"):
        compare(a, b, force=True)
    c = make_run(tmp_path / "c", [rollout(0, env_id=BLACKJACK)])
    with pytest.raises(ConfigError, match="no task with a rollout that counts in common"):
        compare(a, c)


def test_a_gate_looks_at_the_lower_end(tmp_path: Path) -> None:
    found = only(compare(run_of(tmp_path / "a", 1, 0, 0, 1), run_of(tmp_path / "b", 1, 1, 1, 0)))
    assert found.metrics["reward"].low == -0.5
    assert Gate.parse("reward>=-0.5").holds(found)
    assert not Gate.parse("pass >= -.49").holds(found)
    alone = only(compare(run_of(tmp_path / "c", 0), run_of(tmp_path / "d", 1)))
    assert not Gate("reward", -1.0).holds(alone)


@pytest.mark.parametrize("text", ["reward>-1", "speed>=1", "reward>=", "reward>=nan", "reward >= 1 2"])
def test_gates_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="a gate is reward or pass"):
        Gate.parse(text)
