"""MultiReward: scalars, vectors, and MO-Gymnasium's own wrapper on top."""

import gymnasium
import numpy as np
import pytest
from mo_gymnasium.wrappers import LinearReward

from gym_llm.errors import ConfigError
from gym_llm.wrappers import MultiReward, Verify
from tests.support.envs import CounterEnv, GoalReached, GuessEnv


def graded(start: int = 2) -> gymnasium.Env[str, str]:
    return Verify(CounterEnv(start=start), GoalReached())


def final_reward(env: gymnasium.Env[str, str]) -> object:
    env.reset(seed=0)
    return env.step("done")[1]


@pytest.mark.parametrize(
    ("scalarise", "weights", "expected"),
    [("sum", None, 0.5), ("weighted", {"close": 4.0}, 2.0), ("product", None, 0.0)],
)
def test_scalars(scalarise: str, weights: dict[str, float] | None, expected: float) -> None:
    reward = final_reward(MultiReward(graded(), weights, scalarise))  # type: ignore[arg-type]
    assert type(reward) is float
    assert reward == expected


def test_vector_has_the_order_of_the_names() -> None:
    env = MultiReward(graded(), scalarise=None)
    reward = final_reward(env)
    assert env.names == ("goal", "close")
    assert isinstance(reward, np.ndarray)
    assert reward.tolist() == [0.0, 0.5]


def test_vector_is_zero_before_the_grade() -> None:
    env = MultiReward(graded(), scalarise=None)
    env.reset(seed=0)
    reward = env.step('<tool_call>{"name": "add"}</tool_call>')[1]
    assert reward.tolist() == [0.0, 0.0]


def test_mo_gymnasium_wrappers_work_on_the_vector() -> None:
    env = MultiReward(graded(), scalarise=None)
    assert env.unwrapped.reward_space.shape == (2,)  # type: ignore[attr-defined]
    linear = LinearReward(env, weight=np.array([1.0, 10.0]))
    linear.reset(seed=0)
    _, reward, *_, info = linear.step("done")
    assert reward == 5.0
    assert info["vector_reward"].tolist() == [0.0, 0.5]


def test_games_have_named_rewards_too() -> None:
    assert MultiReward(GuessEnv()).names == ("score",)


def test_arguments_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"weights name \['x'\]; the rewards are \['goal', 'close'\]"):
        MultiReward(graded(), {"x": 1.0})
    with pytest.raises(ConfigError, match="needs named rewards"):
        MultiReward(CounterEnv())
    with pytest.raises(ConfigError, match="scalarise must be"):
        MultiReward(graded(), scalarise="max")  # type: ignore[arg-type]
