"""What a rollout is: one episode of one task, with everything that explains its reward."""

import zlib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from gym_llm.messages import Message

RolloutState = Literal["completed", "truncated", "failed"]


@dataclass(frozen=True)
class Job:
    """One rollout to be made."""

    env_id: str
    task: int
    """Index in the task set."""
    repeat: int
    seed: int

    @classmethod
    def of(cls, env_id: str, task: int, repeat: int, run_seed: int) -> "Job":
        """Return the job whose seed follows from the run's seed and its place, not the order of work."""
        entropy = [run_seed, zlib.crc32(env_id.encode()), task, repeat]
        return cls(env_id, task, repeat, int(np.random.SeedSequence(entropy).generate_state(1)[0]))


@dataclass
class Rollout:
    """The record of one episode; ``to_dict`` is a line of ``rollouts.jsonl`` or ``failures.jsonl``."""

    env_id: str
    task_id: str
    task_index: int
    repeat: int
    seed: int
    state: RolloutState = "failed"
    reward: float = 0.0
    """Return of the episode: the sum of ``step_rewards``."""
    step_rewards: list[float] = field(default_factory=list)
    rewards: dict[str, float] = field(default_factory=dict)
    """Named components of the verification."""
    verification: dict[str, Any] | None = None
    messages: list[Message] = field(default_factory=list)
    tools: list[Message] | None = None
    turns: int = 0
    usage: dict[str, int] = field(default_factory=dict)
    """Token counts summed over the model calls."""
    duration_s: float = 0.0
    failure: dict[str, str] | None = None
    """Kind and message, for rollouts that failed or could not be graded."""

    @property
    def job(self) -> Job:
        """The job that this rollout answers."""
        return Job(self.env_id, self.task_index, self.repeat, self.seed)

    @property
    def counts(self) -> bool:
        """Whether the reward enters the metrics."""
        return self.failure is None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)
