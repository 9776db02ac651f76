"""What a rollout is: one episode of one task, with everything that explains its reward.

The models of this module are the lines of a run folder; `json_schema` returns their JSON schema.
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from gym_llm.messages import Message

FORMAT_VERSION = 1
"""Of the files of a run folder; grows when an older reader could not read them."""

RolloutState = Literal["completed", "truncated", "failed"]
"""``completed``: the task ended. ``truncated``: a limit ended it, and it was still graded. ``failed``:
it broke off or could not be graded, and counts in no metric. A job without a record never ran."""

FailureKind = Literal[
    "model_http",
    "model_timeout",
    "env_error",
    "env_crash",
    "verifier_error",
    "judge_error",
    "cancelled",
    "budget",
]
FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)
"""``model_http``: an error status, a lost connection or a reply that cannot be read. ``model_timeout``:
no answer within the deadline of a call. ``env_error``: the environment raised, or a step took too long.
``env_crash``: it took its process down. ``verifier_error``, ``judge_error``: the grade could not be
given. ``cancelled``: the run was interrupted. ``budget``: time or money for it was used up."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


# Without a dict each, as there is one for each job of a run.
@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of one rollout."""

    env: int
    """Given to ``reset``."""
    sampling: int
    """For agents that draw; sent to the model where the endpoint takes a seed."""
    judge: int
    """Sent to judge models whose endpoint takes a seed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One rollout to be made."""

    env_id: str
    task: int
    """Index in the task set."""
    repeat: int
    seeds: Seeds

    @classmethod
    def of(cls, env_id: str, task: int, repeat: int, run_seed: int) -> "Job":
        """Return the job whose seeds follow from the run's seed and its place, not the order of work."""
        # A hash, as a SeedSequence takes fifty times as long and large runs have many jobs.
        place = f"{run_seed}/{env_id}/{task}/{repeat}"
        env, sampling, judge = struct.unpack("<3I", hashlib.sha256(place.encode()).digest()[:12])
        return cls(env_id, task, repeat, Seeds(env=env, sampling=sampling, judge=judge))

    @property
    def key(self) -> "Key":
        """What tells this job from all others of a run."""
        return self.env_id, self.task, self.repeat


Key = tuple[str, int, int]
"""Environment id, task index, repeat: one record each in a run."""


class FailureRecord(_Record):
    """Why a rollout failed."""

    kind: FailureKind
    cause: str
    """In a few words that are the same for the same cause: ``HTTP 400``, ``StepTimeout``."""
    message: str
    traceback: str = ""


class CallRecord(_Record):
    """One model call: what it used and how it ended."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    finish_reason: str | None = None
    model: str | None = None
    """As the server names it."""
    is_cached: bool = False
    """Whether the answer came from the response cache."""
    cost: float | None = None
    """In the currency of the price table; None without a price."""


class TokenSegment(_Record):
    """Token ids as the server saw and made them, for training; the mask says which the model made.

    A new segment starts where a prompt is not the continuation of what came before.
    """

    token_ids: list[int]
    loss_mask: list[int]
    """1 for tokens that the model generated, 0 for all others; as long as ``token_ids``."""
    logprobs: list[float | None]
    """Of generated tokens, where the server sent them; None elsewhere."""


class Timings(_Record):
    """Times of a rollout: all that differs between two runs with the same replies."""

    started_at: float = 0.0
    """Seconds since the epoch."""
    duration_s: float = 0.0
    model_s: float = 0.0
    """Waiting for the model, retries included."""
    env_s: float = 0.0
    """Waiting for the environment: resets, steps, grading."""
    attempts: int = 0
    """Requests to the model's server; more than the calls where some were retried."""


class Rollout(_Record):
    """The record of one episode: a line of ``rollouts.jsonl``, or of ``failures.jsonl`` if it failed."""

    env_id: str
    task_id: str
    task_index: int
    repeat: int
    seeds: Seeds
    state: RolloutState = "failed"
    reward: float = 0.0
    """Return of the episode: the sum of ``step_rewards``."""
    step_rewards: list[float] = Field(default_factory=list)
    """One for each turn."""
    rewards: dict[str, float] = Field(default_factory=dict)
    """Named components of the verification."""
    verification: dict[str, Any] | None = None
    """``reward``, ``rewards``, ``fields`` and, where grading failed, ``failure``."""
    messages: list[Message] = Field(default_factory=list)
    """The conversation in the form of OpenAI's chat API, each message once."""
    tools: list[Message] | None = None
    turns: int = 0
    """Assistant turns."""
    actions: list[str] | None = None
    """What was given to ``step``, where that cannot be told from the messages (see `actions_of`)."""
    calls: list[CallRecord] = Field(default_factory=list)
    """The model calls, in order; none for agents without a model."""
    tokens: list[TokenSegment] | None = None
    failure: FailureRecord | None = None
    timings: Timings = Field(default_factory=Timings)

    @property
    def key(self) -> Key:
        """What tells this rollout from all others of a run."""
        return self.env_id, self.task_index, self.repeat

    @property
    def counts(self) -> bool:
        """Whether the reward enters the metrics."""
        return self.state != "failed"

    @property
    def fields(self) -> dict[str, Any]:
        """What the verifier reported beside the rewards."""
        found: dict[str, Any] = (self.verification or {}).get("fields") or {}
        return found

    def total(self, name: str) -> int:
        """Return the sum over the calls of a count such as ``output_tokens``."""
        return sum(getattr(call, name) or 0 for call in self.calls)

    @property
    def cost(self) -> float | None:
        """Sum of the calls' costs; None where no call has one."""
        costs = [call.cost for call in self.calls if call.cost is not None]
        return sum(costs) if costs else None

    def without_times(self) -> dict[str, Any]:
        """Return plain data that is the same for every run with the same seeds and replies."""
        return self.model_dump(mode="json", exclude={"timings"})


class TaskRecord(_Record):
    """A line of ``tasks.jsonl``: a task of the run, as its row model reads it."""

    env_id: str
    task_id: str
    task_index: int
    row: dict[str, Any]


class EnvRecord(_Record):
    """What a manifest says of one environment."""

    kwargs: dict[str, Any] = Field(default_factory=dict)
    """Arguments of ``gymnasium.make``."""
    version: str = ""
    """Of the package that the environment comes from."""
    tasks: int = 0
    """Tasks that the run takes of the set."""
    digest: str = ""
    """SHA-256 over their rows, in order."""


class ModelRecord(_Record):
    """What a manifest says of the model; never a key."""

    name: str
    base_url: str
    api: str = "chat"
    params: dict[str, Any] = Field(default_factory=dict)
    """Sampling parameters of every request."""
    sends_seed: bool = False


class Manifest(_Record):
    """``manifest.json``: what a run is."""

    format_version: int = FORMAT_VERSION
    agent: str
    """Name of the agent, or ``chat`` for a model."""
    model: ModelRecord | None = None
    seed: int = 0
    repeats: int = 1
    shard: tuple[int, int] | None = None
    """Number of this shard, from 1, and of all of them."""
    environments: dict[str, EnvRecord]
    command: list[str] = Field(default_factory=list)
    """Arguments of the command that began the run."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Of Python, gym_llm and the packages that can change a reward."""
    created_at: float = 0.0
    """Seconds since the epoch."""

    def identity(self) -> dict[str, Any]:
        """Return what must be equal for two runs to have the same rollouts, as flat ``name: value``."""
        found: dict[str, Any] = {
            "format_version": self.format_version,
            "agent": self.agent,
            "seed": self.seed,
            "repeats": self.repeats,
            "shard": self.shard,
            "model": self.model.name if self.model else None,
            "api": self.model.api if self.model else None,
            "sampling": self.model.params if self.model else None,
            "sends_seed": self.model.sends_seed if self.model else None,
        }
        for env_id, env in self.environments.items():
            for name in ("kwargs", "version", "tasks", "digest"):
                found[f"{env_id}: {name}"] = getattr(env, name)
        return found


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the files of a run folder, by file name."""
    models: dict[str, type[BaseModel]] = {
        "manifest.json": Manifest,
        "tasks.jsonl": TaskRecord,
        "rollouts.jsonl": Rollout,
        "failures.jsonl": Rollout,
    }
    return {name: model.model_json_schema() for name, model in models.items()}
