"""The episode: reset, turns, ends, arguments."""

import json

import pytest
from gymnasium.error import ResetNeeded

from gym_llm import ToolCall, encode_action
from gym_llm.core.tool_env import MAX_CALLS_PER_TURN
from gym_llm.core.tools import MAX_RESULT_CHARS
from gym_llm.errors import ConfigError, RowError, UnknownNameError
from tests.support.envs import CounterEnv, GuessEnv


def test_parallel_calls_run_in_order_and_answer_by_id() -> None:
    env = CounterEnv()
    observation, info = env.reset(seed=0)
    assert observation == "Count to 3."
    assert [t["function"]["name"] for t in info["tools"]] == ["add", "refuse"]
    calls = [ToolCall("add", '{"amount": 2}', "a"), ToolCall("add"), ToolCall("nope")]
    observation, reward, terminated, truncated, info = env.step(encode_action("", calls))
    assert (reward, terminated, truncated, info["invalid_calls"]) == (0.0, False, False, 1)
    ids = [m["tool_call_id"] for m in info["messages"]]
    assert ids == ["a", "call_0_1", "call_0_2"]
    assert json.loads(info["messages"][1]["content"]) == {"value": 3}
    assert observation.count("\n\n") == 2
    assert env.episode.transcript[1]["tool_calls"][1]["id"] == "call_0_1"


def test_turn_cut_by_the_token_limit_runs_nothing() -> None:
    env = CounterEnv()
    env.reset(seed=0)
    assert env.step(encode_action("", [ToolCall("add")], finish_reason="length"))[2]
    assert env.episode.state.value == 0


def test_calls_of_one_turn_are_bounded() -> None:
    env = CounterEnv()
    env.reset(seed=0)
    env.step(encode_action("", [ToolCall("add")] * (MAX_CALLS_PER_TURN + 5)))
    assert env.episode.state.value == MAX_CALLS_PER_TURN


def test_step_needs_a_running_episode() -> None:
    env = CounterEnv()
    with pytest.raises(ResetNeeded):
        env.step("x")
    env.reset(seed=0)
    assert env.step("done")[2]
    with pytest.raises(ResetNeeded):
        env.step("x")


def test_task_is_chosen_by_seed_index_or_row() -> None:
    env = CounterEnv(tasks=[{"goal": g} for g in range(50)])
    chosen = [env.reset(seed=s)[1]["task_index"] for s in (1, 2, 1)]
    assert chosen[0] == chosen[2] != chosen[1]
    assert env.reset(options={"task": -1})[1]["task_id"] == "counter-49"
    assert env.reset(options={"task": {"goal": 99}})[0] == "Count to 99."
    with pytest.raises(ConfigError, match=r"options\['task'\]"):
        env.reset(options={"task": 50})
    with pytest.raises(RowError, match="goal: Input should be a valid integer"):
        env.reset(options={"task": {"goal": "x"}})


def test_make_distributes_arguments_and_refuses_unknown_ones() -> None:
    env = CounterEnv.make(start=1, scale=2.0, max_turns=None)
    assert str(env) == "<Verify<CounterEnv instance>>"
    env.reset(seed=0)
    env.step(encode_action("", [ToolCall("add", '{"amount": 2}')]))
    _, reward, *_, info = env.step("done")
    assert reward == 3.0
    assert info["rewards"] == {"goal": 2.0, "close": 1.0}
    with pytest.raises(
        UnknownNameError, match="unknown argument of CounterEnv 'startt'; did you mean start"
    ):
        CounterEnv.make(startt=1)


def test_unknown_render_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="render_mode"):
        CounterEnv(render_mode="rgb_array")


def test_ansi_shows_the_transcript() -> None:
    env = CounterEnv(render_mode="ansi")
    env.reset(seed=0)
    env.step("done")
    assert env.render() == "[user] Count to 3.\n[assistant] done"


def test_lone_surrogates_never_reach_the_observation() -> None:
    env = CounterEnv()
    env.reset(seed=0)
    observation = env.step(encode_action("", [ToolCall("refuse", r'{"reason": "\ud800"}')]))[0]
    assert observation in env.observation_space


def test_game_grades_itself_and_keeps_its_returns() -> None:
    env = GuessEnv.make()
    env.reset(seed=0)
    right = str(env.unwrapped.episode.state)  # type: ignore[attr-defined]
    wrong = str((int(right) + 1) % 10)
    observation, reward, *_ = env.step(wrong)
    assert (observation, reward) == ("Guess a digit.", -0.1)
    observation, reward, terminated, _, info = env.step(right)
    assert (observation, reward, terminated) == ("", 1.0, True)
    assert info["rewards"] == {"score": pytest.approx(0.9)}
    assert info["verification"].fields == {"success": True}


def test_truncated_game_reports_its_score() -> None:
    env = GuessEnv.make(max_turns=1)
    env.reset(seed=0)
    *_, terminated, truncated, info = env.step("no digit")
    assert (terminated, truncated) == (False, True)
    assert info["rewards"] == {"score": -0.1}


def test_key_map_is_in_the_form_of_play() -> None:
    assert GuessEnv().get_keys_to_action()[(ord("7"),)] == "7"


def test_results_of_one_turn_are_bounded() -> None:
    env = CounterEnv()
    env.reset(seed=0)
    reason = '{"reason": "' + "x" * 1900 + '"}'
    observation = env.step(encode_action("", [ToolCall("refuse", reason)] * 5000))[0]
    assert observation in env.observation_space
    assert len(observation) < 2 * MAX_RESULT_CHARS
