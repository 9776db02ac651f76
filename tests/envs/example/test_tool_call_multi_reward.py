"""Tool call with several rewards: the components, the loop, strict schemas and rows."""

import json
from typing import Any

import gymnasium
import numpy as np
import pytest

import gym_llm
from gym_llm.errors import RowError
from gym_llm.wrappers import MultiReward

ID = "gym_llm/ExampleToolCallMultiReward-v0"
ROW: dict[str, Any] = {
    "question": "How is the weather in Oslo?",
    "expected_call": {"name": "get_weather", "arguments": {"city": "Oslo"}},
}


def call(arguments: Any, name: str = "get_weather") -> gym_llm.ToolCall:
    return gym_llm.ToolCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def act(*calls: gym_llm.ToolCall, text: str = "") -> str:
    return gym_llm.encode_action(text, calls)


OSLO, BERGEN = call({"city": "Oslo"}), call({"city": "Bergen"})


def grade(
    action: str, row: dict[str, Any] | None = None, **kwargs: Any
) -> tuple[float, list[float], Any]:
    env = gymnasium.make(ID, tasks=[{**ROW, **(row or {})}], **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(action)
    assert terminated
    assert list(info["rewards"]) == ["correctness", "schema_valid", "format"]
    return float(reward), list(info["rewards"].values()), info["verification"].fields


@pytest.mark.parametrize(
    ("action", "components"),
    [
        pytest.param(act(OSLO), [1, 1, 1], id="right"),
        pytest.param(act(BERGEN), [0, 1, 1], id="another-city"),
        pytest.param(act(call({"city": "oslo"})), [0, 1, 1], id="case-counts"),
        pytest.param(act(call({"city": "Oslo", "unit": "C"})), [1, 1, 1], id="extra-key"),
        pytest.param(act(call({})), [0, 0, 1], id="no-arguments"),
        pytest.param(act(call('{"city": "Oslo"')), [0, 0, 1], id="cut-json"),
        pytest.param(act(call(["Oslo"])), [0, 0, 1], id="array"),
        pytest.param(act(OSLO, text="sure"), [1, 1, 0], id="text-beside-the-call"),
        pytest.param(act(BERGEN, OSLO), [1, 1, 0], id="two-calls"),
        pytest.param(act(call("{"), OSLO), [1, 0, 0], id="first-call-is-the-one-checked"),
        pytest.param(act(call({}, "foo")), [0, 1, 1], id="unknown-tool"),
        pytest.param("It is sunny.", [0, 0, 0], id="text-only"),
        pytest.param("", [0, 0, 0], id="nothing"),
        pytest.param(act(call({"city": 5})), [0, 1, 1], id="type-is-not-checked"),
        pytest.param(
            gym_llm.encode_action("", [OSLO], "thoughts"), [1, 1, 1], id="reasoning-is-no-text"
        ),
    ],
)
def test_components(action: str, components: list[float]) -> None:
    reward, found, _ = grade(action)
    assert found == components
    assert reward == sum(components)


@pytest.mark.parametrize(
    ("expected", "correct"),
    [
        pytest.param({}, 0.0, id="empty"),
        pytest.param({"name": "get_weather"}, 1.0, id="name-alone"),
        pytest.param(
            {"name": "get_weather", "arguments": {"city": "Oslo", "unit": None}}, 1.0, id="null"
        ),
        pytest.param(
            {"name": "get_weather", "arguments": {"city": "Oslo", "unit": "C"}}, 0.0, id="more"
        ),
        pytest.param({"arguments": {"city": "Oslo"}}, 0.0, id="no-name"),
    ],
)
def test_expected_call(expected: dict[str, Any], correct: float) -> None:
    assert grade(act(OSLO), {"expected_call": expected})[1][0] == correct


def test_call_without_a_name_does_not_meet_an_empty_expectation() -> None:
    assert grade(act(call({}, "")), {"expected_call": {}})[1] == [0, 1, 1]


def test_predicted_calls_are_reported() -> None:
    deep = '{"city": ' + "[" * 900 + "]" * 900 + "}"
    assert grade(act(OSLO, call("{"), call(deep)))[2]["predicted_calls"] == [
        {"name": "get_weather", "arguments": {"city": "Oslo"}},
        {"name": "get_weather", "arguments": {}},
        {"name": "get_weather", "arguments": {}},
    ]


TOOLS = [
    {
        "type": "function",
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "pattern": "(a|a)*$"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    }
]
PROMPT = {"responses_create_params": {"input": "Weather?", "tools": TOOLS}}


@pytest.mark.parametrize(
    ("action", "valid"),
    [
        pytest.param(act(OSLO), 1.0, id="fits"),
        pytest.param(act(call({"city": 5})), 0.0, id="type"),
        pytest.param(act(call({"city": "Oslo", "unit": "C"})), 0.0, id="additional-property"),
        pytest.param(act(call({"city": "Oslo"}, "foo")), 0.0, id="unknown-tool"),
        pytest.param(act(call({"city": "a" * 50 + "b"})), 0.0, id="pattern-out-of-time"),
        pytest.param(act(call({"city": "a" * 10_000})), 0.0, id="too-long"),
        pytest.param("", 0.0, id="no-call"),
    ],
)
def test_strict_schema(action: str, valid: float) -> None:
    assert grade(action, PROMPT, strict_schema=True)[1][1] == valid


def test_required_names_come_from_the_tool_of_the_row() -> None:
    tool = {"type": "function", "name": "get_weather", "parameters": {"required": ["city", "unit"]}}
    row = {"responses_create_params": {"input": "Weather?", "tools": [tool]}}
    assert grade(act(OSLO), row)[1] == [1, 0, 1]


def test_call_is_carried_out_though_the_episode_ends() -> None:
    env = gymnasium.make(ID, tasks=[ROW])
    env.reset(seed=0)
    observation, _, terminated, _, info = env.step(act(OSLO))
    assert terminated
    assert json.loads(observation)["city"] == "Oslo"
    assert "sunny" in info["messages"][0]["content"]


@pytest.mark.parametrize("final", ["It is sunny.", ""])
def test_loop_costs_the_format(final: str) -> None:
    env = gymnasium.make(ID, tasks=[ROW], max_turns=20)
    env.reset(seed=0)
    _, reward, terminated, truncated, _ = env.step(act(OSLO))
    assert (reward, terminated, truncated) == (0.0, False, False)
    _, reward, terminated, _, info = env.step(final)
    assert (reward, terminated) == (2.0, True)
    assert info["rewards"] == {"correctness": 1.0, "schema_valid": 1.0, "format": 0.0}


def test_loop_is_truncated_and_graded_at_its_limit() -> None:
    env = gymnasium.make(ID, tasks=[ROW], max_turns=2)
    env.reset(seed=0)
    env.step(act(OSLO))
    _, reward, terminated, truncated, _ = env.step(act(BERGEN))
    assert (reward, terminated, truncated) == (2.0, False, True)


def test_loop_without_limit_goes_on() -> None:
    env = gymnasium.make(ID, tasks=[ROW], max_turns=None)
    env.reset(seed=0)
    assert not any(any(env.step(act(OSLO))[2:4]) for _ in range(30))
    assert env.step("Sunny.")[2]


def test_vector_of_rewards_has_the_documented_order() -> None:
    env = MultiReward(gymnasium.make(ID, tasks=[ROW]), scalarise=None)
    env.reset(seed=0)
    assert np.array_equal(env.step(act(call({"city": "oslo"})))[1], [0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        pytest.param({"name": "f", "parameters": {"type": "word"}}, "parameters of 'f'", id="type"),
        pytest.param(
            {"name": "f", "parameters": {"required": "city"}}, "parameters of 'f'", id="required"
        ),
        pytest.param({"name": "f", "parameters": [1]}, "expected an object, got list", id="array"),
        pytest.param({"parameters": {}}, "expected a function tool with a name", id="no-name"),
        pytest.param({"function": 5}, "expected a function tool with a name", id="no-function"),
    ],
)
def test_unusable_tools_are_refused(tool: dict[str, Any], reason: str) -> None:
    row = {**ROW, "responses_create_params": {"input": "?", "tools": [{"type": "function", **tool}]}}
    with pytest.raises(RowError, match=f"tools: .*{reason}"):
        gymnasium.make(ID, tasks=[row])


def test_expected_call_must_be_an_object() -> None:
    with pytest.raises(RowError, match="expected_call"):
        gymnasium.make(ID, tasks=[{**ROW, "expected_call": "get_weather"}])


def test_generated_tasks_are_solved_by_their_reference() -> None:
    env = gymnasium.make(ID, tasks="generated")
    for index in range(50):
        env.reset(options={"task": index})
        assert env.step(env.unwrapped.tasks[index].row.reference[0])[1] == 3.0
