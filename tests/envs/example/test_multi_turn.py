"""Multi-turn: step rewards, matching, limits and rows."""

import json
import time
from typing import Any

import gymnasium
import pytest

import gym_llm
from gym_llm.envs.example.multi_turn import MAX_EXPECTED_CHARS, contains
from gym_llm.errors import ConfigError, RowError

ID = "gym_llm/ExampleMultiTurn-v0"
TWO = {"follow_ups": ["f1", "f2"]}
NONE: dict[str, Any] = {"follow_ups": []}


def play(row: dict[str, Any], replies: list[str], **kwargs: Any) -> tuple[list[float], list[str]]:
    row = {"question": "Where?", "expected_answer": "Lisbon", **row}
    env = gymnasium.make(ID, tasks=[row], **kwargs)
    env.reset(seed=0)
    rewards, seen = [], []
    for reply in replies:
        observation, reward, terminated, truncated, _ = env.step(reply)
        rewards.append(float(reward))
        seen.append(observation)
    assert terminated or truncated
    return rewards, seen


@pytest.mark.parametrize(
    ("row", "replies", "rewards"),
    [
        pytest.param(TWO, ["a", "b", "It is LISBON."], [0, 0, 1], id="last-reply-any-case"),
        pytest.param(TWO, ["Lisbon", "b", "c"], [0, 0, 0], id="too-early"),
        pytest.param({}, ["Lisbon"], [1], id="no-follow-ups-field"),
        pytest.param(NONE, ["lisbonne"], [1], id="within-a-word"),
        pytest.param(NONE, ["<think>Lisbon</think>Porto"], [0], id="thoughts-are-not-graded"),
        pytest.param(NONE, ["<think>Lisbon or"], [0], id="unclosed-thoughts"),
        pytest.param(NONE, ["Porto? no</think>Lisbon"], [1], id="after-the-closing-tag"),
        pytest.param(NONE, [gym_llm.encode_action("Porto", (), "Lisbon")], [0], id="reasoning-apart"),
        pytest.param(
            NONE, [gym_llm.encode_action("", [gym_llm.ToolCall("Lisbon")])], [0], id="call-only"
        ),
        pytest.param({"expected_answer": ""}, ["Lisbon"], [0], id="nothing-expected"),
        pytest.param({"expected_answer": "20"}, ["it is 120"], [1], id="within-a-number"),
        pytest.param({"expected_answer": "straße"}, ["STRASSE"], [0], id="lower-is-not-casefold"),
        pytest.param({"follow_ups": [""]}, ["a", "Lisbon"], [0, 1], id="empty-follow-up"),
    ],
)
def test_step_rewards(row: dict[str, Any], replies: list[str], rewards: list[float]) -> None:
    assert play(row, replies)[0] == rewards


def test_follow_ups_come_in_order_whatever_is_said() -> None:
    assert play(TWO, ["", "Lisbon", "x"])[1] == ["f1", "f2", ""]


@pytest.mark.parametrize(
    ("expected", "reply", "reward"),
    [
        pytest.param("20", "it is 120", 0.0, id="within-a-number"),
        pytest.param("20", "it is 120, no: 20.", 1.0, id="alone"),
        pytest.param("Lisbon", "lisbonne", 0.0, id="within-a-word"),
        pytest.param("C++", "In c++11", 1.0, id="sign-at-the-end-needs-no-boundary"),
        pytest.param("", "anything", 0.0, id="nothing-expected"),
    ],
)
def test_word_match(expected: str, reply: str, reward: float) -> None:
    assert play({"expected_answer": expected}, [reply], match="word")[0] == [reward]


def test_turn_limit_ends_without_reward_even_if_the_answer_was_given() -> None:
    rewards, _ = play({"follow_ups": ["f"] * 9}, ["Lisbon"] * 5)
    assert rewards == [0.0] * 5


def test_ended_episode_cannot_be_stepped() -> None:
    env = gymnasium.make(ID, tasks=[{"question": "?", "expected_answer": "x"}])
    env.reset(seed=0)
    env.step("x")
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.unwrapped.step("x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param({"follow_ups": None}, "follow_ups: Input should be a valid list", id="null"),
        pytest.param({"follow_ups": [1]}, "follow_ups.0: Input should be a valid string", id="number"),
        pytest.param({"expected_answer": 20}, "expected_answer: Input should be a valid str", id="type"),
        pytest.param({"expected_answer": "x" * 1001}, "expected_answer: String should have", id="long"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        gymnasium.make(ID, tasks=[{"question": "?", **change}])


def test_unknown_match_is_refused() -> None:
    with pytest.raises(ConfigError, match="match must be one of"):
        gymnasium.make(ID, match="regex")


def test_word_match_of_a_long_reply_is_bounded() -> None:
    started = time.monotonic()
    assert not contains("a" * 1_000_000, "a" * MAX_EXPECTED_CHARS, "word")
    assert time.monotonic() - started < 30  # a bound against hangs, not a measurement


def test_row_of_nemo_gym_is_accepted() -> None:
    row = {"responses_create_params": {"input": [{"role": "user", "content": "Hi"}]}, **TWO}
    env = gymnasium.make(ID, tasks=[json.loads(json.dumps(row))])
    assert env.reset(seed=0)[0] == "Hi"
