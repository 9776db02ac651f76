"""Metrics of a run: worked figures, ragged groups, failures beside them, subsets, headline, JSON."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.rollouts.metrics import EnvMetrics, succeeded, summarise
from gym_llm.rollouts.records import CallRecord, FailureRecord, Rollout, TaskRecord, Timings
from tests.support.runs import MCQA, rollout

LOST = FailureRecord(kind="model_timeout", cause="timeout", message="no answer")


def group(task: int, rewards: Sequence[float | None], answers: Sequence[Any] = ()) -> list[Rollout]:
    """Make the rollouts of one task; None is a failure."""
    answers = answers or ["A" if reward else "B" for reward in rewards]
    return [
        rollout(task, j, failure=LOST) if reward is None else rollout(task, j, reward, answer=answer)
        for j, (reward, answer) in enumerate(zip(rewards, answers, strict=True))
    ]


def rounds(metrics: EnvMetrics, part: str = "metrics") -> dict[str, float]:
    return {name: round(e.value, 5) for name, e in getattr(metrics, part).items()}


WORKED = [
    *group(0, [1, 0, 0, 1], ["A", "B", "B", "A"]),
    *group(1, [0, 0, 0, 0], [None, None, "B", "B"]),
    *group(2, [1, 1, 0, 1], ["C", "C", "D", "C"]),
]


def test_worked_figures() -> None:
    assert rounds(summarise(WORKED)[MCQA]) == {
        "mean_reward": 0.41667,
        "no_answer": 0.16667,
        "avg@1": 0.66667,
        "pass@1": 0.41667,
        "pass^1": 0.41667,
        "majority@1": 0.41667,
        "avg@2": 0.5,
        "pass@2": 0.61111,
        "pass^2": 0.22222,
        "majority@2": 0.41667,
        "avg@4": 0.41667,
        "pass@4": 0.66667,
        "pass^4": 0.0,
        "majority@4": 0.5,
    }


def test_order_of_rollouts_does_not_matter() -> None:
    assert summarise(reversed(WORKED)).to_dict() == summarise(WORKED).to_dict()


def test_mean_is_balanced_over_tasks() -> None:
    metrics = summarise([*group(0, [1.0]), *group(1, [0.0, 1.0])])[MCQA]
    assert rounds(metrics)["mean_reward"] == 0.75


def test_majority_votes_by_answer_though_its_scores_differ() -> None:
    """Three times the same answer, scored 1, 0, 0, beats two others; it is worth what it earned."""
    metrics = summarise(group(0, [1, 0, 0, 0, 1], ["A", "A", "A", "B", "C"]))[MCQA]
    assert metrics.metrics["majority@5"].value == pytest.approx(1 / 3)


RAGGED = [*group(0, [1, 1]), *group(1, [0, 1]), *group(2, [1, None])]


def test_ragged_groups_keep_one_set_of_tasks_for_every_k() -> None:
    metrics = summarise(RAGGED)[MCQA]
    assert set(metrics.metrics) == {
        *("mean_reward", "no_answer", "avg@1", "pass@1", "pass^1", "majority@1"),
    }
    assert {e.tasks for e in metrics.metrics.values()} == {3}
    assert {e.tasks for e in metrics.complete.values()} == {2}
    assert rounds(metrics, "complete")["pass@1"] == 0.75
    assert rounds(metrics, "complete")["pass@2"] == 1.0


def test_headline_marks_what_is_over_complete_tasks_alone() -> None:
    lines = {line.metric: line for line in summarise(RAGGED).headline()}
    assert lines["pass@1"].note == ""
    assert (lines["pass@2"].tasks, lines["pass@2"].note) == (2, "over the 2 tasks with 2 rollouts")


@pytest.mark.parametrize("part", ["metrics", "complete"])
def test_pass_at_k_never_falls_with_k(part: str) -> None:
    run = [r for t in range(9) for r in group(t, [float((t * j) % 3 == 1) for j in range(1 + t % 4)])]
    values = [v for name, v in rounds(summarise(run)[MCQA], part).items() if "pass@" in name]
    assert values == sorted(values)


def test_failures_are_counted_and_left_out() -> None:
    metrics = summarise(
        [*group(0, [1.0, None]), *group(1, [None, None])], expected={MCQA: 6, "gym_llm/SimpleQA-v0": 2}
    )
    counts = metrics[MCQA].counts
    assert (counts.records, counts.completed, counts.failed) == (4, 1, {"model_timeout": 3})
    assert (counts.never_run, counts.tasks, counts.scored_tasks) == (2, 2, 1)
    mean = metrics[MCQA].mean_reward
    assert mean is not None
    assert (mean.value, mean.tasks, mean.low) == (1.0, 1, None)
    assert metrics["gym_llm/SimpleQA-v0"].counts.never_run == 2
    assert {line.missing for line in metrics.headline()[:2]} == {"3 of 4 failed, 2 never run"}


def test_run_of_failures_has_no_figures() -> None:
    metrics = summarise(group(0, [None]))
    assert (metrics[MCQA].metrics, metrics.failures) == ({}, 1)
    assert [(line.metric, line.value) for line in metrics.headline()] == [("mean_reward", None)]


def test_standard_error_is_over_repeats_of_complete_tasks() -> None:
    metrics = summarise(WORKED)[MCQA]
    assert metrics.repeat_means == pytest.approx([2 / 3, 1 / 3, 0, 2 / 3])
    assert metrics.standard_error == pytest.approx(0.159571, abs=1e-6)
    assert summarise(group(0, [1.0]))[MCQA].standard_error is None


def test_interval_is_the_same_every_time_and_holds_the_value() -> None:
    run = [r for t in range(40) for r in group(t, [float(t % 3 == 0)])]
    first, again = (summarise(run)[MCQA].mean_reward for _ in range(2))
    assert first == again
    assert first is not None
    assert first.low is not None
    assert first.high is not None
    assert 0.15 < first.low < first.value < first.high < 0.55


def test_success_field_decides_then_the_most_that_can_be_earned_then_nothing_else() -> None:
    won = {"fields": {"success": True}}
    sokoban = rollout(0, 0, 10.9, env_id="gym_llm/Sokoban-v0", verification=won)
    assert succeeded(sokoban)
    assert not succeeded(sokoban, threshold=11)
    assert not succeeded(rollout(0, 0, 0.99))
    assert succeeded(rollout(0, 0, 0.99), threshold=0.5)
    assert succeeded(rollout(0, 0, 1 - 1e-12, env_id="another/package-v0"))


def test_threshold_makes_fractions_passes() -> None:
    run = [*group(0, [0.5, 0.25]), *group(1, [1.0, 0.0])]
    assert rounds(summarise(run)[MCQA])["pass@2"] == 0.5
    assert rounds(summarise(run, threshold=0.5)[MCQA])["pass@2"] == 1.0


def test_percentiles_components_fields_and_totals() -> None:
    run = [
        rollout(
            t,
            turns=t + 1,
            calls=[CallRecord(input_tokens=7, output_tokens=t, cost=0.5)],
            rewards={"safety": 1.0, "utility": float(t % 2)},
            verification={"fields": {"hit": t < 25, "text": "x" * 500, "some": [1], "none": None}},
            timings=Timings(duration_s=2.0),
        )
        for t in range(101)
    ]
    metrics = summarise(run)[MCQA]
    assert metrics.percentiles["output_tokens"] == {
        "p50": 50.0,
        "p90": 90.0,
        "p99": 99.0,
        "mean": 50.0,
        "max": 100.0,
    }
    assert metrics.percentiles["turns"]["max"] == 101
    assert metrics.percentiles["response_chars"]["p50"] == len("\\boxed{A}")
    assert {k: round(e.value, 3) for k, e in metrics.components.items()} == {
        "safety": 1.0,
        "utility": 0.495,
    }
    assert metrics.fields == {"hit": pytest.approx(25 / 101)}
    assert (metrics.totals["input_tokens"], metrics.totals["cost"]) == (707, 50.5)


def test_tokens_that_no_server_reported_have_no_percentiles() -> None:
    assert set(summarise([rollout(0, calls=[])])[MCQA].percentiles) == {
        "turns",
        "response_chars",
        "duration_s",
    }


def test_subsets_by_field_row_and_function() -> None:
    run = [*group(0, [1, None]), *group(1, [0, 0]), *group(2, [1, 1])]
    rows = [
        TaskRecord(env_id=MCQA, task_id="", task_index=t, row={"metadata": {"level": level}})
        for t, level in enumerate(("hard", "easy", "easy"))
    ]
    by_row = summarise(run, tasks=rows, subset="metadata.level")[MCQA].subsets
    assert {k: rounds(m)["mean_reward"] for k, m in by_row.items()} == {"easy": 0.5, "hard": 1.0}
    assert by_row["hard"].failed == 1
    by_field = summarise(run, subset="extracted_answer")
    assert [(line.subset, line.value) for line in by_field.subset_lines()] == [("A", 1.0), ("B", 0.0)]
    by_function = summarise(run, subset=lambda r: str(r.repeat) if r.repeat else None)[MCQA].subsets
    assert [*by_function] == ["1"]


def test_field_with_too_many_values_is_refused() -> None:
    run = (rollout(t, answer=str(t)) for t in range(1001))
    with pytest.raises(ConfigError, match="subset: more than 1000 subsets"):
        summarise(run, subset="extracted_answer")


@pytest.mark.parametrize(
    ("environments", "lines"), [(1, 8), (2, 12), (3, 12), (7, 7), (12, 12), (13, 13)]
)
def test_headline_has_at_most_12_lines_and_one_for_each_environment(
    environments: int, lines: int
) -> None:
    run = [
        rollout(t, j, float(t == j), env_id=f"other/E{e}-v0")
        for e in range(environments)
        for t in range(2)
        for j in range(2)
    ]
    assert len(summarise(run).headline()) == lines


def test_json_has_no_infinity_and_failures_beside_every_estimate() -> None:
    endless = rollout(0, 0, 1.0, env_id="gym_llm/Sokoban-v0")
    record = summarise([*RAGGED, endless], expected={MCQA: 7}, threshold=math.inf).to_dict()
    text = json.dumps(record, allow_nan=False)
    assert json.loads(text) == record
    mcqa = record["environments"][MCQA]
    assert (mcqa["metrics"]["pass@1"]["failed"], mcqa["metrics"]["pass@1"]["never_run"]) == (1, 1)
    assert mcqa["threshold"] is None


def test_long_and_structured_answers_vote_too() -> None:
    long = "because " * 100
    metrics = summarise(group(0, [1, 1, 0], [long, f" {long}", "no"]))[MCQA]
    assert metrics.metrics["majority@3"].value == 1.0
    lists = summarise(group(0, [1, 1, 0], [[1, 2], [1, 2], [2]]))[MCQA]
    assert lists.metrics["majority@3"].value == 1.0
