"""Entries: order, counts, task texts, and records read back from their place in the file."""

from pathlib import Path

import pytest

from gym_llm.errors import RowError
from gym_llm.viewer.entries import MAX_TASK_CHARS, count, entries, mixed_tasks, task_text
from gym_llm.viewer.query import parse
from tests.support.runs import make_run, rollout
from tests.viewer.sample import failure

FAILED = failure("model_http", "HTTP 400", "no")


def test_entries_are_sorted_and_lead_to_their_records(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", [rollout(1), rollout(0, 1, failure=FAILED), rollout(0, 0, 1.0, answer="B")]
    )
    found = entries(run)
    assert [(e.task_index, e.repeat, e.state) for e in found] == [
        (0, 0, "completed"),
        (0, 1, "failed"),
        (1, 0, "completed"),
    ]
    assert [e.load().key for e in found] == [("gym_llm/MCQA-v0", *k) for k in [(0, 0), (0, 1), (1, 0)]]
    assert found[0].load().messages[1]["content"] == "\\boxed{B}"
    assert found[0].tokens == 3


def test_mean_is_balanced_over_tasks_and_leaves_failures_out(tmp_path: Path) -> None:
    rollouts = [
        rollout(0, 0, 1.0),
        rollout(0, 1, 0.0),
        rollout(1, 0, 1.0),
        rollout(1, 1, failure=FAILED),
    ]
    run = make_run(tmp_path / "run", rollouts)
    counts = count(run.manifest, entries(run))
    assert [(c.completed, c.truncated, c.failed, c.never_ran, c.mean) for c in counts] == [
        (3, 0, 1, 0, 0.75)
    ]


def test_rollouts_that_never_ran_are_counted_also_for_a_shard(tmp_path: Path) -> None:
    whole = make_run(tmp_path / "whole", [rollout(0), rollout(1)], repeats=3)
    assert count(whole.manifest, entries(whole))[0].never_ran == 4
    shard = make_run(tmp_path / "shard", [rollout(0), rollout(1)], repeats=3, shard=(1, 2))
    assert count(shard.manifest, entries(shard))[0].never_ran == 1


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0)])
    with (run.path / "rollouts.jsonl").open("a") as file:
        file.write('{"env_id": "gym_')
    assert len(entries(run)) == 1


def test_bad_line_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0)])
    with (run.path / "rollouts.jsonl").open("a") as file:
        file.write('{"env_id": 3}\n')
    with pytest.raises(RowError, match="line 2: env_id"):
        entries(run)


def test_task_text_is_what_the_user_says_before_the_first_turn() -> None:
    shots = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "2 + 2?\n"},
        {"role": "assistant", "content": "4"},
        {"role": "user", "content": [{"type": "text", "text": "3 + 3?"}]},
        {"role": "assistant", "content": "6"},
        {"role": "user", "content": "Thanks"},
    ]
    assert task_text(rollout(0, messages=shots)) == "2 + 2? 3 + 3?"
    assert task_text(rollout(0, messages=[])) == ""
    assert task_text(rollout(0, messages=[{"role": "user", "content": [3, "x"]}], turns=0)) == '[3, "x"]'
    long = [{"role": "user", "content": "x" * 5000}]
    assert len(task_text(rollout(0, messages=long, turns=0))) == MAX_TASK_CHARS


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        pytest.param("", [0, 1, 2, 3], id="all"),
        pytest.param("question 2", [3], id="words"),
        pytest.param("QUESTION", [0, 1, 2, 3], id="case"),
        pytest.param("task-1", [2], id="task-id"),
        pytest.param("failed", [2], id="state"),
        pytest.param("model_http", [2], id="failure"),
        pytest.param("reward>=0.5", [0, 3], id="reward"),
        pytest.param("reward<0.5", [1], id="failures-have-no-reward"),
        pytest.param("mixed reward=0", [1], id="mixed"),
        pytest.param("reward>x", [], id="not-a-number"),
    ],
)
def test_query(tmp_path: Path, query: str, hits: list[int]) -> None:
    rollouts = [rollout(0, 0, 1.0), rollout(0, 1, 0.0), rollout(1, failure=FAILED), rollout(2, 0, 1.0)]
    found = entries(make_run(tmp_path / "run", rollouts))
    matches = parse(query, mixed_tasks(found))
    assert [i for i, entry in enumerate(found) if matches(entry)] == hits
