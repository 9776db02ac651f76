"""Pass rates, bands, and the task file of a chosen difficulty."""

import json
from pathlib import Path

import gymnasium
import pytest

from gym_llm.errors import ConfigError, DataError
from gym_llm.rollouts.profile import (
    band,
    hardest,
    profile,
    wilson_interval,
    within,
    write_tasks,
)
from gym_llm.rollouts.records import FailureRecord
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.played import played, played_run
from tests.support.runs import MCQA, make_run, rollout

BROKEN = FailureRecord(kind="model_timeout", cause="no answer in time", message="")
BLACKJACK = "gym_llm/Blackjack-v0"


def half_solved(path: Path) -> RunFolder:
    """Task 0 never passes, 1 in one of four, 2 in two of four, 3 always; 4 only fails."""
    passes = {0: 0, 1: 1, 2: 2, 3: 4}
    found = [rollout(t, r, float(r < c)) for t, c in passes.items() for r in range(4)]
    found += [rollout(2, 4, failure=BROKEN), rollout(4, 0, failure=BROKEN)]
    return make_run(path, found)


@pytest.mark.parametrize(
    ("passes", "trials", "low", "high"),
    [
        pytest.param(0, 4, 0.0, 0.489891, id="none"),
        pytest.param(4, 4, 0.510109, 1.0, id="all"),
        pytest.param(1, 4, 0.045587, 0.699358, id="one-of-four"),
        pytest.param(8, 10, 0.490162, 0.943318, id="eight-of-ten"),
    ],
)
def test_wilson_interval(passes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(passes, trials) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(("passes", "trials"), [(0, 0), (3, 2), (-1, 2)])
def test_wilson_interval_of_nonsense(passes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="passes must be"):
        wilson_interval(passes, trials)


@pytest.mark.parametrize(
    ("passes", "trials", "name"),
    [
        (0, 10, "unsolved"),
        (1, 1000, "hard"),
        (29, 100, "hard"),
        (3, 10, "medium"),
        (69, 100, "medium"),
        (7, 10, "easy"),
        (999, 1000, "easy"),
        (10, 10, "solved"),
    ],
)
def test_edges_of_the_bands(passes: int, trials: int, name: str) -> None:
    assert band(passes / trials) == name


def test_profile_of_a_run(tmp_path: Path) -> None:
    tasks = profile(half_solved(tmp_path))
    assert [t.pass_rate for t in tasks] == [0.0, 0.25, 0.5, 1.0, None]
    assert [t.band for t in tasks] == ["unsolved", "hard", "medium", "solved", None]
    assert [t.failures for t in tasks] == [0, 0, 1, 0, 1]
    assert [t.rollouts for t in tasks] == [4, 4, 4, 4, 0]
    assert tasks[2].to_dict() == {
        "env_id": MCQA,
        "task_id": "task-2",
        "task_index": 2,
        "rollouts": 4,
        "passes": 2,
        "failures": 1,
        "pass_rate": 0.5,
        "low": pytest.approx(0.150039, abs=1e-6),
        "high": pytest.approx(0.849961, abs=1e-6),
        "mean_reward": 0.5,
        "band": "medium",
    }
    assert tasks[4].to_dict()["mean_reward"] is None


def test_a_threshold_says_what_a_pass_is(tmp_path: Path) -> None:
    run = make_run(tmp_path, [rollout(0, r, reward) for r, reward in enumerate((0.2, 0.5, 0.9))])
    assert [t.passes for t in profile(run)] == [0]
    assert [t.passes for t in profile(run, threshold=0.5)] == [2]


def test_hardest_tasks_are_those_measured_with_the_lowest_rates(tmp_path: Path) -> None:
    found = hardest(profile(half_solved(tmp_path)), 2)
    assert [t.task_id for t in found] == ["task-0", "task-1"]


def test_tasks_that_were_never_run_are_in_the_profile(tmp_path: Path) -> None:
    run = played_run(tmp_path, [played(MCQA, 0)])
    tasks = profile(run)
    assert len(tasks) == 8
    assert [t.task_index for t in tasks if t.rollouts] == [0]


def test_kept_are_the_ends_of_the_range_too_and_no_task_without_a_rate(tmp_path: Path) -> None:
    tasks = profile(half_solved(tmp_path))
    assert [t.task_index for t in within(tasks, 0.25, 0.5)] == [1, 2]
    assert [t.task_index for t in within(tasks, 0.0, 1.0)] == [0, 1, 2, 3]


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.4), (-0.1, 0.5), (0.0, 1.1)])
def test_ranges_that_cannot_be(low: float, high: float) -> None:
    with pytest.raises(ConfigError, match=r"within 0\.\.1"):
        within([], low, high)


@pytest.mark.parametrize("env_id", [MCQA, BLACKJACK, "gym_llm/WorkplaceAssistant-v0"])
def test_an_environment_plays_the_written_tasks(env_id: str, tmp_path: Path) -> None:
    run = played_run(tmp_path / "run", [played(env_id, task) for task in (1, 3, 4)])
    path = tmp_path / "deep" / "kept.jsonl"
    write_tasks(run, [t for t in profile(run) if t.task_index in (1, 4)], path)
    ours = gymnasium.make(env_id).unwrapped
    kept = gymnasium.make(env_id, tasks=str(path)).unwrapped
    assert [t.id for t in kept.tasks] == [ours.tasks[i].id for i in (1, 4)]
    for new, old in enumerate((1, 4)):
        assert (
            kept.reset(seed=5, options={"task": new})[0] == ours.reset(seed=5, options={"task": old})[0]
        )
    assert played(env_id, 1, tasks=str(path)).messages == played(env_id, 4).messages


def test_a_task_file_is_never_written_over(tmp_path: Path) -> None:
    run = half_solved(tmp_path / "run")
    path = tmp_path / "run" / "tasks.jsonl"
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        write_tasks(run, profile(run), path)
    assert path.read_bytes() == before


def test_a_task_without_a_row_is_an_error_that_leaves_no_file(tmp_path: Path) -> None:
    run = half_solved(tmp_path / "run")
    rows = (run.path / "tasks.jsonl").read_text().splitlines()
    (run.path / "tasks.jsonl").write_text("\n".join(rows[:2]) + "\n")
    with pytest.raises(DataError, match=r"tasks.jsonl: no row of task task-2"):
        write_tasks(run, within(profile(run), 0.0, 0.5), tmp_path / "kept.jsonl")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]


def test_tasks_of_several_environments_are_not_mixed(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0, reward=1.0), rollout(0, env_id=BLACKJACK)])
    assert [t.env_id for t in profile(run)] == [BLACKJACK, MCQA]
    assert [t.env_id for t in profile(run, MCQA)] == [MCQA]
    with pytest.raises(ConfigError, match="exactly one environment"):
        write_tasks(run, profile(run), tmp_path / "kept.jsonl")


def test_a_row_keeps_the_name_of_its_task(tmp_path: Path) -> None:
    run = half_solved(tmp_path / "run")
    write_tasks(run, within(profile(run), 0.5, 0.5), tmp_path / "kept.jsonl")
    (row,) = map(json.loads, (tmp_path / "kept.jsonl").read_text().splitlines())
    assert row == {
        "task_id": "task-2",
        "messages": [{"role": "user", "content": "Question 2?"}],
        "level": "hard",
    }
