"""Session state: the reward table, the counter's limits, and episodes that never meet."""

import json
import pickle
from typing import Any

import gymnasium
import pytest

import gym_llm
from gym_llm.errors import RowError
from gym_llm.wrappers import SessionState

ID = "gym_llm/ExampleSessionState-v0"
ROW = {
    "responses_create_params": {"input": "Add 1, add 2, read."},
    "initial_count": 3,
    "expected_count": 6,
}


def call(name: str, arguments: Any = None) -> gym_llm.ToolCall:
    return gym_llm.ToolCall(
        name, arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    )


def act(*calls: gym_llm.ToolCall) -> str:
    return gym_llm.encode_action("", calls)


def add(*counts: Any) -> str:
    return act(*(call("increment_counter", {"count": count}) for count in counts))


READ = act(call("get_counter_value"))


def play(
    actions: list[str], row: dict[str, Any] | None = None, **kwargs: Any
) -> tuple[float, list[str]]:
    env = gymnasium.make(ID, tasks=[{**ROW, **(row or {})}], **kwargs)
    env.reset(seed=0)
    seen = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        seen.append(observation)
    assert terminated or truncated
    return float(reward), seen


@pytest.mark.parametrize(
    ("actions", "reward"),
    [
        pytest.param([add(1), add(2), READ, "It is 6."], 1.0, id="two-additions"),
        pytest.param([add(3), ""], 1.0, id="one-addition"),
        pytest.param([READ, "3"], 0.0, id="only-read"),
        pytest.param([add(5), add(-2), ""], 1.0, id="negative"),
        pytest.param([add("three"), ""], 0.0, id="word-is-no-number"),
        pytest.param([add(3.0), add(0.5), ""], 1.0, id="whole-float-counts-fraction-does-not"),
        pytest.param([add(True), add(2), ""], 1.0, id="true-is-one"),
        pytest.param([add("3"), ""], 1.0, id="digits-in-a-string"),
        pytest.param([add(1, 2), ""], 1.0, id="two-calls-in-one-turn"),
        pytest.param([act(call("increment_counter", '{"count": 3')), add(3), ""], 1.0, id="cut-json"),
        pytest.param(
            [act(call("increment_counter")), add(None), add(3), ""], 1.0, id="missing-and-null"
        ),
        pytest.param([act(call("increment_counter", {"count": 3, "by": 9})), ""], 1.0, id="extra-key"),
        pytest.param([act(call("seed_session", {"initial_count": 6})), ""], 0.0, id="unknown-tool"),
        pytest.param(["The count is 6."], 0.0, id="words-change-nothing"),
    ],
)
def test_reward(actions: list[str], reward: float) -> None:
    assert play(actions)[0] == reward


def test_nothing_to_add_is_right_without_a_call() -> None:
    assert play([""], {"expected_count": 3})[0] == 1.0


def test_tools_answer_in_the_documented_form() -> None:
    _, seen = play([add(1), READ, act(call("get_counter_value", {"x": 1})), add("x"), ""])
    assert seen[:3] == ['{"success": true}', '{"count": 4}', '{"count": 4}']
    assert json.loads(seen[3])["error"].startswith("invalid arguments: count")


def test_counter_does_not_leave_64_bits() -> None:
    most = 2**63 - 1
    _, seen = play([add(most), add(-most), add(int("9" * 4000)), READ, ""], {"initial_count": 1})
    assert "64-bit" in seen[0]
    assert seen[1] == '{"success": true}'
    assert "error" in seen[2]
    assert seen[3] == json.dumps({"count": 1 - most})


def test_turn_limit_truncates_and_still_grades() -> None:
    assert play([add(1), add(2)], max_turns=2)[0] == 1.0


@pytest.mark.parametrize(
    ("final", "rewards"),
    [
        pytest.param("After 2 steps it is 6.", {"counter": 1.0, "reported": 1.0}, id="last-integer"),
        pytest.param("6 after adding 3", {"counter": 1.0, "reported": 0.0}, id="another-is-last"),
        pytest.param("6 <think>or 7", {"counter": 1.0, "reported": 1.0}, id="thoughts-do-not-count"),
        pytest.param("", {"counter": 1.0, "reported": 0.0}, id="silent"),
    ],
)
def test_reported_is_a_second_component(final: str, rewards: dict[str, float]) -> None:
    env = gymnasium.make(ID, tasks=[ROW], reported=True)
    env.reset(seed=0)
    env.step(add(3))
    _, reward, _, _, info = env.step(final)
    assert info["rewards"] == rewards
    assert reward == min(rewards.values())
    assert env.get_wrapper_attr("reward_names") == ("counter", "reported")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            {"initial_count": None}, "initial_count: Input should be a valid integer", id="null"
        ),
        pytest.param({"expected_count": 1.5}, "expected_count: Input should be", id="fraction"),
        pytest.param({"initial_count": 2**63}, "initial_count: Input should be less", id="too-large"),
        pytest.param({"increments": [1, 1]}, "expected_count: the increments lead to 5", id="wrong-sum"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        gymnasium.make(ID, tasks=[{**ROW, **change}])


def test_row_without_a_start_is_refused() -> None:
    row = {key: value for key, value in ROW.items() if key != "initial_count"}
    with pytest.raises(RowError, match="initial_count: Field required"):
        gymnasium.make(ID, tasks=[row])


def test_interleaved_episodes_share_nothing() -> None:
    first, second = (gymnasium.make(ID, tasks=[ROW]) for _ in range(2))
    for env in (first, second):
        env.reset(seed=0)
    first.step(add(2))
    second.step(add(40))
    first.step(add(1))
    assert first.step(READ)[0] == '{"count": 6}'
    assert second.step(READ)[0] == '{"count": 43}'


def test_reset_starts_afresh() -> None:
    env = gymnasium.make(ID, tasks=[ROW])
    env.reset(seed=0)
    env.step(add(9))
    env.reset(seed=0)
    assert env.step(READ)[0] == '{"count": 3}'


def test_forks_and_restored_states_go_separate_ways() -> None:
    env = SessionState(gymnasium.make(ID, tasks=[ROW]))
    env.reset(seed=0)
    start = env.get_state()
    env.step(add(1))
    branch = env.fork()
    branch.step(add(2))
    env.step(add(7))
    assert branch.step("6")[1] == 1.0
    assert env.diff(start) == [("turn", 0, 2), ("state.count", 3, 11)]
    env.set_state(start)
    assert env.step(READ)[0] == '{"count": 3}'


def test_pickled_environment_keeps_the_counter() -> None:
    env = gymnasium.make(ID, tasks=[ROW])
    env.reset(seed=0)
    env.step(add(2))
    twin = pickle.loads(pickle.dumps(env))
    env.step(add(5))
    twin.step(add(1))
    assert twin.step("6")[1] == 1.0


def test_generated_tasks_are_solved_by_their_reference_and_never_by_doing_nothing() -> None:
    env = gymnasium.make(ID, tasks="generated")
    for index in range(200):
        _, info = env.reset(options={"task": index})
        row = env.unwrapped.tasks[index].row
        assert row.initial_count != row.expected_count
        assert str(row.initial_count) not in info["messages"][0]["content"].split()
    for action in row.reference:
        reward = env.step(action)[1]
    assert reward == 1.0
