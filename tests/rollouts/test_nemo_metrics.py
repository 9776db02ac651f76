"""NeMo Gym's metrics, against figures that NeMo Gym itself gave."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import DataError
from gym_llm.rollouts.nemo import (
    aggregate_metrics,
    highest_k,
    pass_majority_metrics,
    read_aggregate,
    subset_metrics,
)
from gym_llm.rollouts.nemo.metrics import describe


def rows(
    rewards: Sequence[Sequence[float]], answers: Sequence[Sequence[str | None]] | None = None
) -> list[list[dict[str, Any]]]:
    return [
        [
            {
                "reward": reward,
                "extracted_answer": answers[t][j] if answers else None,
                "_ng_task_index": t,
                "_ng_rollout_index": j,
                "agent_ref": {"name": "agent"},
            }
            for j, reward in enumerate(group)
        ]
        for t, group in enumerate(rewards)
    ]


WORKED = rows(
    [[1, 0, 0, 1], [0, 0, 0, 0], [1, 1, 0, 1]],
    [["A", "B", "B", "A"], [None, None, "B", "B"], ["C", "C", "D", "C"]],
)


def test_worked_case() -> None:
    found = pass_majority_metrics(WORKED, answer_key="extracted_answer")

    def curve(pattern: str) -> list[float]:
        return [round(found[f"{pattern.format(k)}/accuracy"], 3) for k in range(1, 5)]

    assert curve("pass@{}") == [41.667, 61.111, 66.667, 66.667]
    assert curve("pass@1[avg-of-{}]") == [66.667, 50.0, 33.333, 41.667]
    assert curve("majority@{}") == [66.667, 50.0, 33.333, 50.0]
    average = "pass@1[avg-of-4]/accuracy"
    assert round(found[f"{average}/std_dev_across_runs"], 3) == 31.914
    assert round(found[f"{average}/std_err_across_runs"], 3) == 15.957


def test_statistics_of_the_worked_case() -> None:
    (aggregate,) = aggregate_metrics(row for task in WORKED for row in task)
    assert round(aggregate["agent_metrics"]["mean/reward"], 5) == 0.41667
    assert round(aggregate["agent_metrics"]["std/reward"], 5) == 0.51493
    assert aggregate["key_metrics"] == {"mean/reward": aggregate["agent_metrics"]["mean/reward"]}


def test_ragged_case() -> None:
    found = pass_majority_metrics(rows([[0.5, 0.25], [1.0]]))
    assert found["pass@1/accuracy"] == 75
    assert found["pass@2/accuracy"] == 50
    assert found["pass@1[avg-of-2]/accuracy"] == 68.75
    assert found["per_sample_aggregate"] == {"accuracy": [75, 25]}


def test_means_are_pooled() -> None:
    (aggregate,) = aggregate_metrics(row for task in rows([[1], [0, 1]]) for row in task)
    assert round(aggregate["agent_metrics"]["mean/reward"], 3) == 0.667


def test_case_with_a_score_of_its_own_and_no_answer() -> None:
    tasks = rows([[1, 0], [0, 1]], [["1", "2"], [None, "5"]])
    found = pass_majority_metrics(
        tasks, lambda row: {"symbolic_accuracy": row["reward"]}, "extracted_answer"
    )
    assert {name: round(value, 4) for name, value in found.items() if name[:3] != "per"} == {
        "pass@1/symbolic_accuracy": 50,
        "pass@2/symbolic_accuracy": 100,
        "pass@1[avg-of-1]/symbolic_accuracy": 50,
        "pass@1[avg-of-2]/symbolic_accuracy": 50,
        "pass@1[avg-of-2]/symbolic_accuracy/std_dev_across_runs": 0,
        "pass@1[avg-of-2]/symbolic_accuracy/std_err_across_runs": 0,
        "majority@1/symbolic_accuracy": 50,
        "majority@2/symbolic_accuracy": 75,
        "pass@1/no_answer": 25,
        "pass@2/no_answer": 50,
        "pass@1[avg-of-1]/no_answer": 50,
        "pass@1[avg-of-2]/no_answer": 25,
        "pass@1[avg-of-2]/no_answer/std_dev_across_runs": 35.3553,
        "pass@1[avg-of-2]/no_answer/std_err_across_runs": 25,
        "majority@1/no_answer": 0,
        "majority@2/no_answer": 0,
    }


def test_votes_are_pairs_of_answer_and_score_there() -> None:
    tasks = rows([[1, 0, 0, 0, 1]], [["A", "A", "A", "B", "C"]])
    assert pass_majority_metrics(tasks, answer_key="extracted_answer")["majority@5/accuracy"] == 0.0


def test_subsets_take_the_first_rollouts_field() -> None:
    tasks = rows([[1], [0], [1]])
    for task, level in zip(tasks, (2, "", "hard"), strict=True):
        task[0]["level"] = level
    found = subset_metrics(tasks, "level")
    assert found == {
        "2/pass@1/accuracy": 100,
        "2/pass@1[avg-of-1]/accuracy": 100,
        "hard/pass@1/accuracy": 100,
        "hard/pass@1[avg-of-1]/accuracy": 100,
    }


def test_highest_k_leaves_deviations_out() -> None:
    found = pass_majority_metrics(WORKED)
    assert [*highest_k(found, "pass@1[avg-of-{k}]")] == ["pass@1[avg-of-4]/accuracy"]


def test_group_of_one_has_no_deviation_unless_all_are_of_one() -> None:
    one, two = [{"reward": 1.0}], [{"reward": 1.0}, {"reward": 0.0}]
    assert [stats.get("std/reward") for stats in describe([one, one])] == [0.0, 0.0]
    alone, pair = describe([one, two])
    assert "std/reward" not in alone
    assert pair["std/reward"] == pytest.approx(0.70711, abs=1e-5)
    assert pair["median/reward"] == 0.5


def test_aggregate_file(tmp_path: Path) -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 0}}
    found = [
        {**row, "response": {"usage": usage}, "is_right": True}
        for task in rows([[1, 0], [1]])
        for row in task
    ]
    path = tmp_path / "x_aggregate_metrics.json"
    path.write_text(json.dumps(aggregate_metrics(reversed(found))))
    (agent,) = read_aggregate(path)
    assert agent.agent_ref == {"name": "agent"}
    assert agent.agent_metrics["mean/output_tokens"] == 2
    assert agent.agent_metrics["mean/is_right"] == 1
    first, second = agent.group_level_metrics
    assert (first["num_rollouts"], first["mean/reward"]) == (2, 0.5)
    assert (second["missing_num_rollouts"], second["reward_profile_completion_pct"]) == (1, 50)
    assert first["rollout_infos"][1] == {
        "rollout_id": "0:1",
        "_ng_task_index": 0,
        "_ng_rollout_index": 1,
        "reward": 0,
        "is_right": 1,
        "input_tokens": 3,
        "output_tokens": 2,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("[", "not valid JSON", id="json"),
        pytest.param('[{"agent_metrics": {}}]', r"0\.agent_ref: Field required", id="field"),
        pytest.param("{}", "valid list", id="no-list"),
    ],
)
def test_bad_aggregate_file_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError, match=rf"bad\.json: .*{reason}"):
        read_aggregate(path)


def test_missing_aggregate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_aggregate(tmp_path / "none.json")
