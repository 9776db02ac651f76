"""Playing one episode: what the agent does, what the environment answers, and the record of both."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from gym_llm.agents.base import Agent
from gym_llm.errors import EnvFailedError, JudgeError, ModelError, VerifierError
from gym_llm.messages import AssistantMessage, decode_action, with_call_ids
from gym_llm.models import Completion
from gym_llm.rollouts.actions import actions_of
from gym_llm.rollouts.pool import LentEnv
from gym_llm.rollouts.records import CallRecord, FailureKind, FailureRecord, Job, Rollout
from gym_llm.rollouts.tokens import segments
from gym_llm.vector.group import GIVEN_UP, WORKER_DIED, WORKER_LOST

T = TypeVar("T")

CRASHES = frozenset({WORKER_DIED, WORKER_LOST, GIVEN_UP, "StartTimeout"})
"""Failures of a vector that say that the process of an environment ended."""


class Player:
    """Plays one job and writes its record as it goes, so that a broken episode keeps what there is.

    Args:
        job: what to play.
        on_cost: called with the cost of each model call that has one.
    """

    def __init__(self, job: Job, on_cost: Callable[[float], None] | None = None) -> None:
        self.job = job
        self._on_cost = on_cost
        self.rollout = Rollout(
            env_id=job.env_id,
            task_id=f"{job.env_id}#{job.task}",
            task_index=job.task,
            repeat=job.repeat,
            seeds=job.seeds,
        )
        self.rollout.timings.started_at = time.time()
        self._started = time.monotonic()
        self._actions: list[str] = []
        self._taken: list[AssistantMessage] = []
        """The same, decoded."""
        self._agent: Agent | None = None

    async def play(self, env: LentEnv, agent: Agent, max_turns: int) -> None:
        """Play to the end of the episode; raises whatever breaks it."""
        rollout, seeds = self.rollout, self.rollout.seeds
        self._agent = agent
        options = {"task": rollout.task_index, "judge_seed": seeds.judge}
        observation, info = await self._env(env.reset(seeds.env, options))
        rollout.task_id, rollout.tools = info.get("task_id", rollout.task_id), info.get("tools")
        rollout.messages.extend(info.get("messages", ()))
        ended = False
        while not ended and rollout.turns < max_turns:
            action = await self._act(observation, info)
            self._add_action(action)
            observation, reward, terminated, truncated, info = await self._env(env.step(action))
            rollout.turns += 1
            rollout.step_rewards.append(_finite(reward))
            rollout.messages.extend(info.get("messages", ()))
            ended = terminated or truncated
            rollout.state = "completed" if terminated else "truncated"
        self._grade(info)

    def fail(self, kind: FailureKind, cause: str, message: str, traceback: str = "") -> None:
        """Note what broke the episode."""
        self.rollout.state = "failed"
        self.rollout.failure = FailureRecord(
            kind=kind, cause=cause[:200], message=message[:4000], traceback=traceback[-8000:]
        )

    def fail_by(self, error: Exception) -> None:
        """Note an exception as what broke the episode."""
        if isinstance(error, ModelError):
            self.fail(error.kind, error.cause, str(error))
        elif isinstance(error, EnvFailedError):
            kind: FailureKind = "env_crash" if error.kind in CRASHES else _grading_kind(error.kind)
            self.fail(kind, error.kind, error.message, error.traceback)
        elif isinstance(error, VerifierError):
            self.fail(_grading_kind(type(error).__name__), type(error).__name__, str(error))
        else:
            self.fail("env_error", type(error).__name__, str(error))

    def finish(self) -> Rollout:
        """Complete the record and return it."""
        rollout, timings = self.rollout, self.rollout.timings
        completions: list[Completion] = getattr(self._agent, "completions", [])
        rollout.calls = [_call_record(c) for c in completions]
        rollout.reward = sum(rollout.step_rewards)
        rollout.tokens = segments(completions) or None
        timings.attempts = sum(c.attempts for c in completions)
        timings.duration_s = time.monotonic() - self._started
        if _turns(actions_of(rollout)) != self._taken:
            rollout.actions = self._actions
        return rollout

    def _add_action(self, action: str) -> None:
        message = with_call_ids(decode_action(action), self.rollout.turns)
        self._actions.append(action)
        self._taken.append(message)
        self.rollout.messages.append(message.to_chat())

    def _grade(self, info: dict[str, Any]) -> None:
        verification = info.get("verification")
        if verification is None:
            return
        self.rollout.rewards = {name: _finite(value) for name, value in verification.rewards.items()}
        self.rollout.verification = verification.to_dict()
        if verification.failure is not None:
            kind = verification.failure.kind
            self.fail(_grading_kind(kind, "verifier_error"), kind, verification.failure.message)

    async def _env(self, answer: Awaitable[T]) -> T:
        started = time.monotonic()
        try:
            return await answer
        finally:
            self.rollout.timings.env_s += time.monotonic() - started

    async def _act(self, observation: str, info: dict[str, Any]) -> str:
        assert self._agent is not None
        started = time.monotonic()
        try:
            action = await self._agent.act(observation, info)
        finally:
            self.rollout.timings.model_s += time.monotonic() - started
        completions: list[Completion] = getattr(self._agent, "completions", [])
        if self._on_cost and completions and completions[-1].cost:
            self._on_cost(completions[-1].cost)
        return action


def _finite(reward: float) -> float:
    """Return a reward as it is; one that is no number would turn every mean into none."""
    if not math.isfinite(reward):
        raise ValueError(f"the environment paid a reward of {reward}")
    return float(reward)


def _grading_kind(error: str, otherwise: FailureKind = "env_error") -> FailureKind:
    """Return the kind of failure for the name of an exception."""
    kinds: dict[str, FailureKind] = {
        JudgeError.__name__: "judge_error",
        VerifierError.__name__: "verifier_error",
        "WorkerError": "verifier_error",
    }
    return kinds.get(error, otherwise)


def _turns(actions: list[str]) -> list[AssistantMessage]:
    return [with_call_ids(decode_action(action), turn) for turn, action in enumerate(actions)]


def _call_record(completion: Completion) -> CallRecord:
    usage = completion.usage
    return CallRecord(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cached_tokens=usage.cached_tokens,
        finish_reason=completion.finish_reason,
        model=completion.model,
        is_cached=completion.is_cached,
        cost=completion.cost,
    )
