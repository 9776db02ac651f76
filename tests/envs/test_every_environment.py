"""What holds for every registered id: Gymnasium's contract, bounds by agents, seeds, pickles, vectors,
fuzz."""

import inspect
import json
import pickle
import re
import subprocess
import sys
import time
from typing import Any

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gym_llm.errors import RowError
from gym_llm.registration import EnvInfo, table

IDS = sorted(table)
SECTIONS = [
    "Description",
    "Observation",
    "Action",
    "Reward",
    "Episode end",
    "Arguments",
    "Data and licence",
    "Version history",
]


def make(info: EnvInfo, judge: dict[str, Any], **kwargs: Any) -> gymnasium.Env[str, str]:
    if "judge" in info.needs:
        kwargs.setdefault("judge", judge)
    return gymnasium.make(info.id, **kwargs)


def play(env: gymnasium.Env[str, str], task: int, actions: list[str], seed: int = 0) -> float:
    """Return what an episode pays; the last action repeats until the end."""
    env.reset(seed=seed, options={"task": task})
    total, turn = 0.0, 0
    while turn < 1000:
        _, reward, terminated, truncated, info = env.step(actions[min(turn, len(actions) - 1)])
        total += float(reward)
        turn += 1
        if terminated or truncated:
            assert info["verification"].failure is None, info["verification"].failure
            assert set(info["rewards"]) == set(env.get_wrapper_attr("reward_names"))
            return total
    raise AssertionError("the episode does not end")


@pytest.mark.parametrize("env_id", IDS)
def test_check_env(env_id: str, judge: dict[str, Any]) -> None:
    env = make(table[env_id], judge, disable_env_checker=True)
    check_env(env.unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_docstring_has_every_section(env_id: str) -> None:
    doc = inspect.getdoc(table[env_id].load()) or ""
    assert re.findall(r"^## (.+)$", doc, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("env_id", IDS)
def test_reference_earns_the_maximum_of_every_bundled_task(env_id: str, judge: dict[str, Any]) -> None:
    info = table[env_id]
    env = make(info, judge)
    tasks = env.unwrapped.tasks  # type: ignore[attr-defined]
    assert len(tasks) >= 5
    for task in tasks:
        most = info.reward_range[1] if task.row.reference_return is None else task.row.reference_return
        assert play(env, task.index, task.row.reference) == pytest.approx(most), task.id


@pytest.mark.parametrize("env_id", IDS)
def test_saying_nothing_earns_the_minimum(env_id: str, judge: dict[str, Any]) -> None:
    info = table[env_id]
    env = make(info, judge)
    least = info.reward_range[0] if info.null_return is None else info.null_return
    for task in env.unwrapped.tasks:  # type: ignore[attr-defined]
        assert play(env, task.index, [""]) == pytest.approx(least), task.id


@pytest.mark.parametrize("env_id", IDS)
def test_pickled_environment_goes_on_as_the_original(env_id: str, judge: dict[str, Any]) -> None:
    env = make(table[env_id], judge)
    env.reset(seed=3)
    twin = pickle.loads(pickle.dumps(env))
    action = env.unwrapped.example_actions()[:1] or ["yes"]  # type: ignore[attr-defined]
    assert repr(twin.step(action[0])) == repr(env.step(action[0]))


@pytest.mark.parametrize("env_id", IDS)
def test_spec_round_trips_through_json(env_id: str, judge: dict[str, Any]) -> None:
    env = make(table[env_id], judge)
    spec = EnvSpec.from_json(env.spec.to_json())  # type: ignore[union-attr]
    assert str(gymnasium.make(spec)) == str(env)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("env_id", IDS)
def test_vector_gives_the_text_of_single_environments(
    env_id: str, mode: Any, judge: dict[str, Any]
) -> None:
    info = table[env_id]
    kwargs = {"judge": judge} if "judge" in info.needs else {}
    single = [make(info, judge).reset(seed=seed)[0] for seed in (5, 6)]
    vector = gymnasium.make_vec(env_id, num_envs=2, vectorization_mode=mode, **kwargs)
    try:
        observations, _ = vector.reset(seed=5)
        assert list(observations) == single
        observations, rewards, *_ = vector.step(["", "x"])
        assert len(observations) == 2
        assert rewards.dtype.kind == "f"
    finally:
        vector.close()


_TRACE = """
import sys, json, gymnasium, gym_llm
env_id, kwargs = sys.argv[1], json.loads(sys.argv[2])
env = gymnasium.make(env_id, **kwargs)
trace = []
for seed in range(3):
    observation, info = env.reset(seed=seed)
    trace.append([observation, info["task_id"]])
    for turn in range(4):
        actions = env.unwrapped.example_actions() or ["yes"]
        observation, reward, terminated, truncated, info = env.step(actions[turn % len(actions)])
        trace.append([observation, reward, terminated, truncated])
        if terminated or truncated:
            break
print(json.dumps(trace))
"""


@pytest.mark.parametrize("env_id", IDS)
def test_same_seed_gives_the_same_episode_in_another_process(env_id: str, judge: dict[str, Any]) -> None:
    kwargs = {"judge": judge} if "judge" in table[env_id].needs else {}
    command = [sys.executable, "-c", _TRACE, env_id, json.dumps(kwargs)]
    # One process after the other: two at once would also share nothing, but double the memory.
    runs = [subprocess.run(command, capture_output=True, check=True, text=True).stdout for _ in range(2)]
    assert runs[0] == runs[1]
    assert json.loads(runs[0])


ACTIONS = st.one_of(
    st.text(max_size=200),
    st.builds(
        lambda name, args: json.dumps(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": name, "arguments": args}}
                ],
            }
        ),
        st.text(max_size=12),
        st.one_of(
            st.text(max_size=30), st.dictionaries(st.text(max_size=5), st.integers()).map(json.dumps)
        ),
    ),
    st.sampled_from(
        [
            "<tool_call>",
            r"\boxed{" * 50,
            "<action>" * 9,
            "<think>",
            "{",
            '{"role": "assistant"}',
            "9" * 9999,
        ]
    ),
)


@pytest.mark.parametrize("env_id", IDS)
def test_any_action_gives_a_float_in_bounded_time(env_id: str, judge: dict[str, Any]) -> None:
    env = make(table[env_id], judge)
    env.reset(seed=0)
    examples = env.unwrapped.example_actions()  # type: ignore[attr-defined]
    strategy = st.one_of(ACTIONS, st.sampled_from(examples)) if examples else ACTIONS

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(strategy, min_size=1, max_size=4))
    def run(actions: list[str]) -> None:
        env.reset(seed=1)
        for action in actions:
            started = time.monotonic()
            observation, reward, terminated, truncated, _ = env.step(action)
            assert time.monotonic() - started < 30  # a bound against hangs, not a measurement
            assert type(reward) is float
            assert observation in env.observation_space
            if terminated or truncated:
                break

    run()


@pytest.mark.parametrize("env_id", IDS)
def test_row_that_is_no_object_is_refused_with_its_place(
    env_id: str, judge: dict[str, Any], tmp_path: Any
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("[1, 2]\n")
    with pytest.raises(RowError, match=r"rows\.jsonl, line 1: expected a JSON object, got list"):
        make(table[env_id], judge, tasks=str(path))
