"""MathDAPO17k: prompts, rows, adapters and knobs; the reward table is that of its verifier."""

from typing import Any

import gymnasium
import pytest

import gym_llm  # noqa: F401
from gym_llm.core import TextEnv, Turn
from gym_llm.envs.math.math_with_judge import MathDAPO17kEnv
from gym_llm.errors import RowError, UnknownNameError
from gym_llm.messages import AssistantMessage
from gym_llm.wrappers import TurnLimit, Verify
from tests.support.judge_server import ScriptedServer

ROW = {"question": " What is 3 + 4? ", "expected_answer": r"\(7\)"}


def make(*rows: dict[str, Any], **kwargs: Any) -> gymnasium.Env[str, str]:
    return gymnasium.make("gym_llm/MathDAPO17k-v0", tasks=list(rows) or [ROW], **kwargs)


def grade(response: str, **kwargs: Any) -> tuple[float, dict[str, Any]]:
    env = make(**kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(response)
    assert terminated
    return float(reward), info


@pytest.mark.parametrize(
    ("response", "kwargs", "reward"),
    [
        pytest.param(r"It is \boxed{7}.", {}, 1.0, id="right"),
        pytest.param(r"It is \boxed{8}.", {}, 0.0, id="wrong"),
        pytest.param(r"<think>\boxed{7}</think> 9", {}, 0.0, id="thoughts"),
        pytest.param(r"<think>\boxed{7}</think> 9", {"strip_reasoning": False}, 1.0, id="thoughts-kept"),
        pytest.param("\\boxed{\u0667}", {}, 0.0, id="arabic-digit"),
        pytest.param("\\boxed{\u0667}", {"normalize_digits": True}, 1.0, id="arabic-digit-read"),
    ],
)
def test_reward(response: str, kwargs: dict[str, Any], reward: float) -> None:
    found, info = grade(response, **kwargs)
    assert found == reward
    assert info["rewards"] == {"correct": reward}


def test_question_becomes_the_prompt() -> None:
    observation, _ = make().reset(seed=0)
    question, _, how = observation.partition("\n\n")
    assert question == "What is 3 + 4?"
    assert r"\boxed{}" in how


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("What is 3 + 4?", id="text"),
        pytest.param([{"role": "user", "content": "What is 3 + 4?"}], id="messages"),
    ],
)
def test_prompt_of_the_row_is_kept_as_it_stands(prompt: Any) -> None:
    row = {"responses_create_params": {"input": prompt}, "expected_answer": "7"}
    observation, _ = make(row).reset(seed=0)
    assert observation == "What is 3 + 4?"


def test_columns_of_dapo_are_converted() -> None:
    prompt = [{"role": "user", "content": "Solve: what is 3 + 4?"}]
    env = make(
        {"prompt": prompt, "reward_model": {"ground_truth": "7", "style": "rule"}, "ability": "MATH"}
    )
    _, info = env.reset(seed=0)
    assert info["messages"] == prompt
    assert env.unwrapped.episode.task.row.question == prompt[0]["content"]  # type: ignore[attr-defined]
    assert env.step(r"\boxed{7}")[1] == 1.0


def test_columns_of_aime_are_converted() -> None:
    env = make({"id": 60, "problem": "Find m+n.", "solution": "...", "answer": "204", "year": "2024"})
    _, info = env.reset(seed=0)
    assert [message["role"] for message in info["messages"]] == ["system", "user"]
    assert info["messages"][1]["content"] == "Find m+n."
    assert env.step(r"\boxed{204}")[1] == 1.0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param(
            {"expected_answer": " "}, "expected_answer: .*the gold answer is empty", id="empty"
        ),
        pytest.param(
            {"expected_answer": 7}, "expected_answer: Input should be a valid string", id="int"
        ),
        pytest.param({"expected_answer": None}, "expected_answer: Input should be a valid", id="none"),
        pytest.param({"question": None}, "responses_create_params: the row has no", id="no-prompt"),
    ],
)
def test_bad_row_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=f"row list, line 0: {reason}"):
        make({**ROW, **row})


def test_broken_columns_are_refused() -> None:
    with pytest.raises(RowError, match="the columns cannot be converted: KeyError: 'ground_truth'"):
        make({"prompt": [{"role": "user", "content": "?"}], "reward_model": {}})


def test_unknown_knob_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="did you mean strip_reasoning"):
        make(strip_reason=True)


def test_failing_judge_masks_the_rollout() -> None:
    with ScriptedServer([{"status": 500}]) as server:
        judge = {**server.config, "max_retries": 0}
        reward, info = grade("8", should_use_judge=True, judge=judge)
    assert reward == 0.0
    assert info["verification"].failure.kind == "JudgeError"


class ManyTurnsEnv(MathDAPO17kEnv):
    """The same tasks for an agent that takes several turns: the turn limit ends the episode."""

    def respond(self, message: AssistantMessage) -> Turn:
        return Turn()


@pytest.mark.parametrize(
    ("turns", "grade", "reward"),
    [
        pytest.param([r"maybe \boxed{3}, or", r"\boxed{7}", ""], "last", 1.0, id="last-turn-with-text"),
        pytest.param([r"\boxed{7}", "", "Done."], "last", 0.0, id="answer-too-early"),
        pytest.param([r"\boxed{7}", "", "Done."], "all", 1.0, id="all-turns"),
    ],
)
def test_episode_of_many_turns_is_graded(turns: list[str], grade: Any, reward: float) -> None:
    core: TextEnv = ManyTurnsEnv(tasks=[ROW])
    env = Verify(TurnLimit(core, len(turns)), MathDAPO17kEnv.verifier_class(grade=grade))
    env.reset(seed=0)
    rewards = [env.step(turn)[1] for turn in turns]
    assert rewards == [0.0, 0.0, reward]


def test_pool_of_workers_does_not_travel_with_the_environment() -> None:
    env = make()
    env.reset(seed=0)
    fields = env.get_wrapper_attr("verifier").__dict__
    assert all(isinstance(value, bool | int | float | str | None) for value in fields.values())
