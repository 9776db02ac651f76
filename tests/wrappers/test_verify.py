"""Verify: when it grades, what it pays, what a broken grader does."""

from dataclasses import dataclass

import gymnasium
import pytest

from gym_llm.errors import ConfigError, JudgeError
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Failure, Verification
from gym_llm.wrappers import Verify
from tests.support.envs import CounterEnv, GoalReached


@dataclass(frozen=True)
class BrokenJudge:
    components = ("verdict",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        raise JudgeError("judge at http://x did not answer")


def test_grades_at_the_end() -> None:
    env = Verify(CounterEnv(start=3), GoalReached())
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step("done")
    assert (reward, terminated, info["rewards"]) == (2.0, True, {"goal": 1.0, "close": 1.0})


def test_grades_every_step() -> None:
    env = Verify(CounterEnv(), GoalReached(), when="step")
    env.reset(seed=0)
    call = '<tool_call>{"name": "add", "arguments": {"amount": 2}}</tool_call>'
    assert env.step(call)[1] == 0.5


def test_broken_grader_is_masked_not_scored() -> None:
    env = Verify(CounterEnv(), BrokenJudge())
    env.reset(seed=0)
    _, reward, *_, info = env.step("done")
    assert reward == 0.0
    assert info["rewards"] == {"verdict": 0.0}
    assert info["verification"].failure == Failure("JudgeError", "judge at http://x did not answer")


def test_broken_grader_raises_where_asked() -> None:
    env = Verify(CounterEnv(), BrokenJudge(), on_failure="raise")
    env.reset(seed=0)
    with pytest.raises(JudgeError):
        env.step("done")


def test_verifier_by_name_with_config() -> None:
    env = Verify(CounterEnv(start=3), "tests.support.envs:GoalReached", {"scale": 5.0})
    env.reset(seed=0)
    assert env.step("done")[1] == 6.0
    with pytest.raises(ConfigError, match="cannot be built"):
        Verify(CounterEnv(), "tests.support.envs:Nope")


def test_arguments_are_checked() -> None:
    with pytest.raises(ConfigError, match="when must be"):
        Verify(CounterEnv(), GoalReached(), when="never")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="on_failure must be"):
        Verify(CounterEnv(), GoalReached(), on_failure="zero")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="needs a gym_llm TextEnv"):
        Verify(gymnasium.make("CartPole-v1"), GoalReached())  # type: ignore[arg-type]
