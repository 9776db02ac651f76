"""What trackers are told."""

import json
from pathlib import Path

from gym_llm.exports.tracked import MAX_CHARS, config_of, metrics_of, table_of
from gym_llm.rollouts.metrics import summarise
from gym_llm.rollouts.records import FailureRecord, ModelRecord
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.runs import MCQA, make_run, rollout


def with_metrics(path: Path) -> RunFolder:
    """Return a run of two tasks, one solved, with its metrics."""
    run = make_run(path, [rollout(0, reward=1.0), rollout(1)], created_at=1e9)
    metrics = summarise(run.rollouts()).to_dict()
    (path / "metrics.json").write_text(json.dumps(metrics))
    return run


def test_metrics_are_plain_numbers(tmp_path: Path) -> None:
    metrics = metrics_of(with_metrics(tmp_path / "run"))
    assert metrics[f"{MCQA}/mean_reward"] == 0.5
    assert metrics[f"{MCQA}/mean_reward_low"] == 0.0
    assert metrics[f"{MCQA}/mean_reward_high"] == 1.0
    assert metrics[f"{MCQA}/pass@1"] == 0.5
    assert metrics[f"{MCQA}/counts/completed"] == 2.0
    assert metrics[f"{MCQA}/components/correct"] == 0.5
    assert not any("subsets" in name or "repeat_means" in name for name in metrics)
    assert {type(value) for value in metrics.values()} == {float}


def test_run_without_metrics_has_none(tmp_path: Path) -> None:
    assert metrics_of(make_run(tmp_path / "run", [rollout(0)])) == {}


def test_config_is_the_manifest(tmp_path: Path) -> None:
    model = ModelRecord(name="tiny", base_url="http://localhost/v1", params={"temperature": 0.5})
    config = config_of(make_run(tmp_path / "run", [rollout(0)], model=model, seed=7))
    assert config["seed"] == 7
    assert config["model.name"] == "tiny"
    assert config["model.params"] == {"temperature": 0.5}
    assert config["environments"] == [MCQA]
    assert config[f"{MCQA}.tasks"] == 1


def test_table_is_bounded_in_rows_and_text(tmp_path: Path) -> None:
    failure = FailureRecord(kind="budget", cause="money", message="m")
    rollouts = [rollout(0, failure=failure), rollout(1, answer="x" * 9999, reward=1.0), rollout(2)]
    run = make_run(tmp_path / "run", rollouts)
    columns, rows = table_of(run, 2)
    assert [row[columns.index("task_index")] for row in rows] == [1, 2]
    assert rows[0][columns.index("prompt")] == "Question 1?"
    assert len(rows[0][columns.index("response")]) == MAX_CHARS
    columns, rows = table_of(run)
    assert [row[columns.index("failure_cause")] for row in rows] == [None, None, "money"]


def test_table_of_an_empty_run(tmp_path: Path) -> None:
    assert table_of(make_run(tmp_path / "run", [])) == ([], [])
