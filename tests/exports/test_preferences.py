"""Pairs of a better and a worse rollout."""

import json
from pathlib import Path
from typing import Any

import pytest

from gym_llm.exports.preferences import write_preferences
from gym_llm.rollouts.records import FailureRecord, Rollout
from tests.support.runs import make_run, rollout


def written(rollouts: list[Rollout], folder: Path, **options: Any) -> list[dict[str, Any]]:
    path = folder / "pairs.jsonl"
    count = write_preferences(make_run(folder / "run", rollouts), path, **options)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert count == len(lines)
    return lines


def answers(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(x["chosen"][-1]["content"][-2], x["rejected"][-1]["content"][-2]) for x in lines]


def group(*rewards: float) -> list[Rollout]:
    """Return rollouts of one task; each answers with the number of its repeat."""
    return [rollout(0, i, reward, answer=str(i)) for i, reward in enumerate(rewards)]


def test_single_turn_pair(tmp_path: Path) -> None:
    assert written(group(0.0, 1.0), tmp_path) == [
        {
            "prompt": [{"role": "user", "content": "Question 0?"}],
            "chosen": [{"role": "assistant", "content": r"\boxed{1}"}],
            "rejected": [{"role": "assistant", "content": r"\boxed{0}"}],
        }
    ]


@pytest.mark.parametrize(
    ("rewards", "options", "expected"),
    [
        pytest.param((1.0, 1.0), {}, [], id="equal-rewards"),
        pytest.param((0.0, 0.5, 1.0, 0.2), {}, [("2", "0")], id="best-and-worst"),
        pytest.param((0.0, 0.5, 1.0, 0.2), {"pairs": 9}, [("2", "0"), ("1", "3")], id="each-once"),
        pytest.param((0.0, 0.5, 1.0, 0.2), {"pairs": 9, "margin": 0.4}, [("2", "0")], id="margin"),
        pytest.param((0.7, 0.4), {"margin": 0.3}, [("0", "1")], id="margin-met-but-for-rounding"),
        pytest.param((1.0, 0.0, 1.0, 0.0), {"pairs": 9}, [("0", "1"), ("2", "3")], id="ties-by-repeat"),
        pytest.param((1.0, 0.5, 0.0), {"pairs": 9}, [("0", "2")], id="odd-one-out"),
    ],
)
def test_choice_of_pairs(
    rewards: tuple[float, ...], options: dict[str, Any], expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert answers(written(group(*rewards), tmp_path, **options)) == expected


def test_order_of_completion_does_not_matter(tmp_path: Path) -> None:
    rollouts = [*group(1.0, 0.0, 1.0, 0.0), rollout(1, 0, 1.0), rollout(1, 1, 0.0)]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    forth = written(rollouts, tmp_path / "a", pairs=2)
    assert forth == written(rollouts[::-1], tmp_path / "b", pairs=2)
    assert len(forth) == 3


def test_multi_turn_pairs_share_the_first_prompt_only(tmp_path: Path) -> None:
    start = [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]
    short = [*start, {"role": "assistant", "content": "a"}]
    long = [
        *start,
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "more"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "end"},
    ]
    rollouts = [rollout(0, 0, 1.0, messages=long), rollout(0, 1, 0.0, messages=short)]
    [line] = written(rollouts, tmp_path)
    assert line == {"prompt": start, "chosen": long[2:5], "rejected": short[2:]}


def test_no_pair_across_prompts_tasks_or_failures(tmp_path: Path) -> None:
    other = [{"role": "user", "content": "another"}, {"role": "assistant", "content": "x"}]
    failure = FailureRecord(kind="budget", cause="x", message="y")
    rollouts = [
        rollout(0, 0, 1.0),
        rollout(0, 1, 0.0, messages=other),
        rollout(0, 2, 0.0, failure=failure),
        rollout(1, 0, 0.0),
    ]
    assert written(rollouts, tmp_path) == []


def test_tools_stand_beside_the_pair(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    rollouts = [rollout(0, i, float(i), tools=tools) for i in range(2)]
    assert written(rollouts, tmp_path)[0]["tools"] == tools
