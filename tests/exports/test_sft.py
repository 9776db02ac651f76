"""The best rollouts as chat JSONL."""

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from gym_llm.exports.sft import write_sft
from gym_llm.rollouts.records import CallRecord, FailureRecord, Rollout
from tests.support.runs import make_run, rollout

FAILURE = FailureRecord(kind="env_error", cause="x", message="y")
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def answers(rollouts: list[Rollout], folder: Path, **options: Any) -> list[str]:
    """Return the last messages of what is written."""
    path = folder / "sft.jsonl"
    count = write_sft(make_run(folder / "run", rollouts), path, **options)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert count == len(lines)
    return [line["messages"][-1]["content"] for line in lines]


def tokens(count: int) -> list[CallRecord]:
    return [CallRecord(output_tokens=count)]


def test_best_of_each_task_in_order_of_tasks(tmp_path: Path) -> None:
    rollouts = [
        rollout(1, 0, 0.5, answer="C"),
        rollout(0, 0, 0.25, answer="A"),
        rollout(0, 1, 1.0, answer="B"),
        rollout(2, 0, 0.0, answer="D"),
    ]
    assert answers(rollouts, tmp_path) == [r"\boxed{B}", r"\boxed{C}"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"best": 2}, ["1", "0"], id="fewer-tokens-then-repeat"),
        pytest.param({"best": 3}, ["1", "0", "2"], id="three"),
        pytest.param({"best": None}, ["1", "0", "2", "3"], id="all-that-earned-something"),
        pytest.param({"best": None, "min_reward": 1.0}, ["1", "0", "2"], id="a-floor"),
        pytest.param({"best": None, "min_reward": -1.0}, ["1", "0", "2", "3", "4"], id="everything"),
    ],
)
def test_choice_within_a_task(options: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    rollouts = [
        rollout(0, 4, -0.5, answer="4"),
        rollout(0, 3, 0.5, answer="3"),
        rollout(0, 2, 1.0, answer="2", calls=tokens(9)),
        rollout(0, 1, 1.0, answer="1", calls=tokens(2)),
        rollout(0, 0, 1.0, answer="0", calls=tokens(9)),
    ]
    assert answers(rollouts, tmp_path, **options) == [rf"\boxed{{{x}}}" for x in expected]


def test_failures_and_conversations_without_an_answer_are_left_out(tmp_path: Path) -> None:
    silent = rollout(1, reward=1.0, messages=[{"role": "user", "content": "q"}])
    rollouts = [rollout(0, reward=1.0, failure=FAILURE), silent]
    assert answers(rollouts, tmp_path, min_reward=-1.0, best=None) == []


def test_tools_stand_beside_the_messages(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
        {"role": "assistant", "content": "é"},
    ]
    run = make_run(tmp_path / "run", [rollout(0, reward=1.0, messages=messages, tools=TOOLS)])
    write_sft(run, tmp_path / "sft.jsonl")
    [line] = (tmp_path / "sft.jsonl").read_text().splitlines()
    messages[1]["content"] = ""
    assert json.loads(line) == {"messages": messages, "tools": TOOLS}


def test_datasets_reads_it(tmp_path: Path) -> None:
    answers([rollout(0, reward=1.0), rollout(1, reward=1.0)], tmp_path)
    table = datasets.Dataset.from_json(str(tmp_path / "sft.jsonl"), cache_dir=str(tmp_path / "cache"))
    assert table["messages"][1][0] == {"role": "user", "content": "Question 1?"}
