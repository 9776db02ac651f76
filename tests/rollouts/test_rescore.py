"""Stored actions through real environments: what is the same, what was tampered with, what fails."""

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pytest

from gym_llm.errors import ConfigError
from gym_llm.rollouts.records import FailureRecord, Job, Rollout
from gym_llm.rollouts.rescore import (
    Change,
    Divergence,
    Place,
    Rescored,
    rescore,
    uses_judge,
    write_rescored,
)
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.played import FAULTY, played, played_run
from tests.support.runs import MCQA, make_run

BLACKJACK = "gym_llm/Blackjack-v0"
SOKOBAN = "gym_llm/Sokoban-v0"
WORKPLACE = "gym_llm/WorkplaceAssistant-v0"
MATH = "gym_llm/MathDAPO17k-v0"
SIMPLE_QA = "gym_llm/SimpleQA-v0"
HAND = [{"task_id": "hand"}]
"""A hand of blackjack that the seed of the episode deals."""


def rescored(run: RunFolder, **options: Any) -> Rescored:
    return asyncio.run(rescore(run, **options))


def tamper(run: RunFolder, change: Callable[[dict[str, Any]], None], line: int = 0) -> None:
    """Change a stored rollout."""
    path = run.path / "rollouts.jsonl"
    records = [json.loads(text) for text in path.read_text().splitlines()]
    change(records[line])
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.mark.parametrize("env_id", [MCQA, BLACKJACK, SOKOBAN, WORKPLACE, MATH])
def test_an_untouched_run_is_the_same(env_id: str, tmp_path: Path) -> None:
    found = [played(env_id, task, repeat) for task in (0, 2, 3) for repeat in (0, 1)]
    assert any(r.reward > 0 for r in found)
    seen: list[int] = []
    result = rescored(played_run(tmp_path, found), on_progress=seen.append)
    assert (result.graded, result.is_same) == (6, True)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert [r.model_dump() for r in result.rollouts] == [r.model_dump() for r in found]


@pytest.mark.parametrize(
    ("env_id", "component"),
    [(MCQA, "correct"), (BLACKJACK, "score"), (SOKOBAN, "score"), (WORKPLACE, "correct")],
)
def test_a_tampered_reward_is_found(env_id: str, component: str, tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(env_id, task) for task in range(3)])
    right = list(run.rollouts())[1]

    def raise_it(record: dict[str, Any]) -> None:
        record["reward"] += 0.5
        record["rewards"][component] -= 0.25

    tamper(run, raise_it, line=1)
    result = rescored(run)
    place = Place(env_id, right.task_id, 1, 0)
    old = right.rewards[component]
    assert result.changes == [
        Change(place, None, right.reward + 0.5, right.reward),
        Change(place, component, old - 0.25, old),
    ]
    assert (result.divergences, result.failures) == ([], [])
    assert result.rollouts[1] == right


def test_wrong_answers_stay_wrong(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(MCQA, 0, actions=[r"\boxed{A}"]), played(MCQA, 1)])
    assert [r.reward for r in run.rollouts()] == [0.0, 1.0]
    result = rescored(run)
    assert result.is_same
    assert [r.reward for r in result.rollouts] == [0.0, 1.0]


def test_the_stored_seed_deals_the_same_hand(tmp_path: Path) -> None:
    actions = ["<action>hit</action>", "<action>stand</action>"]
    hands = [played(BLACKJACK, 0, repeat, actions, tasks=HAND) for repeat in range(8)]
    assert len({str(hand.messages[1]) for hand in hands}) > 1
    run = played_run(tmp_path, hands, tasks=HAND)
    assert rescored(run).is_same

    def reseed(record: dict[str, Any]) -> None:
        record["seeds"] = dataclasses.asdict(Job.of(BLACKJACK, 0, 99, 0).seeds)

    tamper(run, reseed, line=3)
    assert rescored(run).divergences == [
        Divergence(Place(BLACKJACK, "hand", 0, 3), "message 1 (user) differs")
    ]


def test_another_answer_of_the_environment_is_found(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(WORKPLACE, 0)])

    def retell(record: dict[str, Any]) -> None:
        place = next(i for i, m in enumerate(record["messages"]) if m["role"] == "tool")
        record["messages"][place]["content"] = "[]"

    tamper(run, retell)
    (found,) = rescored(run).divergences
    assert found.what.endswith("(tool) differs")


def test_an_episode_that_ends_earlier_is_found(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(SOKOBAN, 0)])
    turns = next(run.rollouts()).turns

    def stretch(record: dict[str, Any]) -> None:
        record["messages"] += [{"role": "assistant", "content": "<action>Up</action>"}]
        record["turns"] += 1

    tamper(run, stretch)
    result = rescored(run)
    assert [d.what for d in result.divergences] == [
        f"the episode ends after {turns} of {turns + 1} turns"
    ]
    assert result.rollouts[0].turns == turns


def test_an_episode_that_goes_on_is_found(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(BLACKJACK, 0)])

    def shorten(record: dict[str, Any]) -> None:
        record["messages"], record["turns"] = record["messages"][:4], 1

    tamper(run, shorten)
    (found,) = rescored(run).divergences
    assert found.what == "the episode is truncated, it was completed"


@pytest.mark.parametrize("change", ["changed", "shorter", "gone"])
def test_rows_of_the_run_count_where_the_data_is_no_longer_the_same(change: str, tmp_path: Path) -> None:
    rows = [task.row.model_dump(exclude_none=True) for task in gymnasium.make(MCQA).unwrapped.tasks]
    path = tmp_path / "rows.jsonl"

    def write(rows: list[dict[str, Any]]) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    write(rows)
    found = [played(MCQA, task, tasks=str(path)) for task in (0, 5)]
    run = played_run(tmp_path / "run", found, tasks=str(path))
    if change == "changed":
        write([{**row, "expected_answer": "A"} for row in rows])
    elif change == "shorter":
        write(rows[:3])
    else:
        path.unlink()
    result = rescored(run)
    assert (result.graded, result.is_same) == (2, True)
    assert [r.task_id for r in result.rollouts] == ["rows-0", "rows-5"]


def test_a_record_that_cannot_be_played_touches_no_other(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(MCQA, task) for task in range(3)])
    tamper(run, lambda record: record.update(messages=record["messages"][:1]), line=1)
    result = rescored(run)
    assert [r.reward for r in result.rollouts] == [1.0, 0.0, 1.0]
    (failure,) = result.failures
    assert failure.place.task_index == 1
    assert "0 readable actions for 1 turns" in failure.message
    assert result.changes == []


def test_what_broke_off_is_kept_and_what_was_not_graded_is_graded(tmp_path: Path) -> None:
    def failed(task: int, kind: Any) -> Rollout:
        why = FailureRecord(kind=kind, cause="c", message="m")
        lost = {"verification": None, "rewards": {}, "reward": 0.0, "step_rewards": [0.0]}
        return played(MCQA, task).model_copy(update={"state": "failed", "failure": why, **lost})

    run = played_run(tmp_path, [played(MCQA, 0), failed(1, "verifier_error"), failed(2, "env_crash")])
    result = rescored(run)
    assert (result.graded, result.kept_failures) == (2, 1)
    assert [(c.place.task_index, c.component, c.old, c.new) for c in result.changes] == [
        (1, None, None, 1.0)
    ]
    assert [r.state for r in result.rollouts] == ["completed", "completed", "failed"]


def test_judges_are_asked_only_on_purpose(
    tmp_path: Path, judge: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GYM_LLM_JUDGE_BASE_URL", judge["base_url"])
    monkeypatch.setenv("GYM_LLM_JUDGE_MODEL", judge["model"])
    monkeypatch.setenv("GYM_LLM_JUDGE_API_KEY", "k")
    run = played_run(tmp_path, [played(SIMPLE_QA, 0), played(SIMPLE_QA, 1), played(MCQA, 0)])
    result = rescored(run)
    assert (result.graded, result.left_out) == (1, {SIMPLE_QA: 2})
    asked = rescored(run, with_judge=True)
    assert (asked.graded, asked.left_out, asked.is_same) == (3, {}, True)


@pytest.mark.parametrize(
    ("env_id", "kwargs", "answer"),
    [
        pytest.param(SIMPLE_QA, {}, True, id="by-id"),
        pytest.param(MATH, {}, False, id="not-by-default"),
        pytest.param(MATH, {"should_use_judge": True}, True, id="by-switch"),
        pytest.param(MATH, {"should_use_judge": False, "judge_label": "first"}, False, id="off"),
        pytest.param("other/Env-v0", {"judge": {"model": "m"}}, True, id="by-configuration"),
    ],
)
def test_which_environments_use_a_judge(env_id: str, kwargs: dict[str, Any], answer: bool) -> None:
    assert uses_judge(env_id, kwargs) is answer


def faulty(path: Path, *actions: str) -> RunFolder:
    """Return a run of one-turn episodes of an environment that some actions break."""
    found = [
        Rollout(
            env_id=FAULTY,
            task_id=f"t{task}",
            task_index=task,
            repeat=0,
            seeds=Job.of(FAULTY, task, 0, 0).seeds,
            state="truncated",
            reward=1.0,
            step_rewards=[1.0],
            messages=[{"role": "assistant", "content": action}],
            turns=1,
        )
        for task, action in enumerate(actions)
    ]
    return make_run(path, found)


def test_an_exception_fails_one_rollout(tmp_path: Path) -> None:
    result = rescored(faulty(tmp_path, "go", "plain", "go"))
    assert [(f.place.task_index, f.kind, f.message) for f in result.failures] == [
        (1, "env_error: ValueError", "plain trouble")
    ]
    assert [r.reward for r in result.rollouts] == [1.0, 0.0, 1.0]


def test_workers_bound_a_step_and_survive_a_crash(tmp_path: Path) -> None:
    run = faulty(tmp_path, "go", "sleep", "go", "os-exit", "go", "hold", "go")
    result = rescored(run, workers=2, step_timeout_s=2.0)
    assert [(f.place.task_index, f.kind) for f in result.failures] == [
        (1, "env_error: StepTimeout"),
        (3, "env_crash: WorkerDied"),
        (5, "env_error: StepTimeout"),
    ]
    assert [r.task_index for r in result.rollouts if r.counts] == [0, 2, 4, 6]


def test_workers_give_what_this_process_gives(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(SOKOBAN, task) for task in range(4)])
    tamper(run, lambda record: record.update(reward=0.5), line=2)
    here, there = rescored(run), rescored(run, workers=2, step_timeout_s=60.0)
    assert here == there
    assert len(here.changes) == 1


def test_a_step_timeout_needs_workers(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(MCQA, 0)])
    with pytest.raises(ConfigError, match="step_timeout needs worker processes"):
        rescored(run, step_timeout_s=1.0)


def test_an_argument_that_cannot_work_any_more_is_an_error(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(MCQA, 0)])
    path = run.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["environments"][MCQA]["kwargs"] = {"colour": "red"}
    path.write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match="unknown argument of MCQAEnv 'colour'"):
        rescored(run)


def test_a_new_run_has_the_new_rewards_and_says_where_it_comes_from(tmp_path: Path) -> None:
    why = FailureRecord(kind="model_http", cause="HTTP 400", message="m")
    broken = played(MCQA, 2).model_copy(update={"state": "failed", "failure": why})
    run = played_run(tmp_path / "old", [played(MCQA, 0), played(MCQA, 1), broken])
    tamper(run, lambda record: record.update(reward=0.0))
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    write_rescored(run, rescored(run), tmp_path / "new", ["rescore", str(run.path)])
    new = RunFolder(tmp_path / "new")
    assert [r.reward for r in new.rollouts()] == [1.0, 1.0]
    assert list(new.failures()) == list(run.failures())
    assert list(new.tasks()) == list(run.tasks())
    assert new.manifest.command == ["rescore", str(run.path)]
    assert new.manifest.environments[MCQA].digest == run.manifest.environments[MCQA].digest
    figures = new.metrics()["environments"][MCQA]
    assert figures["metrics"]["mean_reward"]["value"] == 1.0
    assert figures["counts"]["never_run"] == 5
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_run_is_never_changed(tmp_path: Path) -> None:
    run = played_run(tmp_path / "run", [played(MCQA, 0)])
    with pytest.raises(ConfigError, match="is the run itself"):
        write_rescored(run, rescored(run), tmp_path / "x" / ".." / "run", [])
