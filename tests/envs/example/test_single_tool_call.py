"""Single tool call: the constant reward, what the tool answers, and strict grading."""

import json
from typing import Any

import gymnasium
import pytest

import gym_llm

ID = "gym_llm/ExampleSingleToolCall-v0"
ROW = {"question": "Is it cold in Oslo?", "expected_city": "Oslo"}


def weather(arguments: Any, name: str = "get_weather") -> str:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return gym_llm.encode_action("", [gym_llm.ToolCall(name, text)])


OSLO = weather({"city": "Oslo"})


def play(actions: list[str], row: dict[str, Any] = ROW, **kwargs: Any) -> tuple[float, list[str], Any]:
    env = gymnasium.make(ID, tasks=[row], **kwargs)
    env.reset(seed=0)
    seen = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append(observation)
    assert terminated or truncated
    return float(reward), seen, info["verification"]


@pytest.mark.parametrize(
    ("actions", "answer"),
    [
        pytest.param([""], None, id="empty-text"),
        pytest.param([OSLO, "Cold."], {"city": "Oslo"}, id="call"),
        pytest.param([weather("{"), ""], "arguments are not a JSON object", id="cut-json"),
        pytest.param([weather({"town": "Oslo"}), ""], "city: Field required", id="other-key"),
        pytest.param([weather({"city": 5}), ""], "city: Input should be a valid string", id="number"),
        pytest.param([weather({"city": 'Zürich "x"'}), ""], {"city": 'Zürich "x"'}, id="quotes"),
        pytest.param([weather({"city": ""}), ""], {"city": ""}, id="empty-city"),
        pytest.param([weather({}, "verify"), ""], "unknown tool 'verify'", id="endpoint-of-a-server"),
    ],
)
def test_any_episode_earns_one(actions: list[str], answer: Any) -> None:
    reward, seen, _ = play(actions)
    assert reward == 1.0
    if isinstance(answer, str):
        assert answer in json.loads(seen[0])["error"]
    elif answer:
        found = json.loads(seen[0])
        assert found["city"] == answer["city"]
        assert answer["city"] in found["weather_description"]
        assert "cold" in found["weather_description"]


@pytest.mark.parametrize(
    ("actions", "reward"),
    [
        pytest.param([OSLO, "It is cold."], 1.0, id="call-then-text"),
        pytest.param([weather({"city": "OSLO"}), "It is cold."], 1.0, id="case-aside"),
        pytest.param([weather({"town": "Oslo"}), OSLO, "Cold."], 1.0, id="failed-call-does-not-count"),
        pytest.param([weather({"city": "Bergen"}), "It is cold."], 0.0, id="another-city"),
        pytest.param([OSLO, OSLO, "It is cold."], 0.0, id="twice"),
        pytest.param([OSLO, ""], 0.0, id="no-answer"),
        pytest.param(["It is cold."], 0.0, id="no-call"),
    ],
)
def test_strict_reward(actions: list[str], reward: float) -> None:
    assert play(actions, strict=True)[0] == reward


def test_strict_truncated_episode_earns_nothing() -> None:
    assert play([OSLO], strict=True, max_turns=1)[0] == 0.0


def test_strict_grading_of_a_row_without_a_city_is_a_failure_not_a_wrong_answer() -> None:
    reward, _, verification = play([OSLO, "Cold."], {"question": "Cold?"}, strict=True)
    assert reward == 0.0
    assert verification.failure.kind == "VerifierError"
    assert "expected_city" in verification.failure.message


def test_second_episode_starts_without_the_calls_of_the_first() -> None:
    env = gymnasium.make(ID, tasks=[ROW], strict=True)
    for _ in range(2):
        env.reset(seed=0)
        env.step(OSLO)
        assert env.step("Cold.")[1] == 1.0


def test_generated_tasks_pass_strict_grading() -> None:
    env = gymnasium.make(ID, tasks="generated", strict=True)
    for index in range(50):
        observation, _ = env.reset(options={"task": index})
        row = env.unwrapped.tasks[index].row
        assert row.expected_city in observation
        for action in row.reference:
            reward = env.step(action)[1]
        assert reward == 1.0
