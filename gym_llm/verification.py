"""What grading returns, and what it is given: Verification, Verifier, Episode."""

import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from gym_llm.extraction import ReasoningRule, TextRule, response_text, strip_reasoning
from gym_llm.messages import AssistantMessage, Message, ToolCall
from gym_llm.tasks import Task

judge_seeds: ContextVar[Iterator[int] | None] = ContextVar("judge_seeds", default=None)
"""Seeds of the questions to judges that are to come, for endpoints that take one; None sends none. Who
grades sets it in the thread that calls the verifier."""


@dataclass(frozen=True)
class Failure:
    """Why grading could not be carried out; the rollout leaves every denominator."""

    kind: str
    """Class of the error, for example ``JudgeError``."""
    message: str


@dataclass(frozen=True)
class Verification:
    """The outcome of grading one episode."""

    reward: float
    rewards: dict[str, float]
    """Named components; an environment always reports the same names."""
    fields: dict[str, Any] = field(default_factory=dict)
    """What else the environment reports: the extracted answer, verdicts, counts."""
    failure: Failure | None = None

    @classmethod
    def of(cls, name: str, reward: float | bool, **fields: Any) -> "Verification":
        """Return a verification with one component."""
        return cls(float(reward), {name: float(reward)}, fields)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for a record; ``failure`` only where there is one."""
        record = dataclasses.asdict(self)
        if self.failure is None:
            del record["failure"]
        return record


@dataclass
class Episode:
    """One run through a task: everything that a verifier may look at."""

    task: Task
    transcript: list[Message] = field(default_factory=list)
    """Chat messages so far, the prompt included."""
    responses: list[AssistantMessage] = field(default_factory=list)
    """The assistant's turns."""
    rewards: list[float] = field(default_factory=list)
    """What the environment itself paid for each turn."""
    state: Any = None
    """What the environment keeps for this episode: tables, board, counters."""
    judge_seed: int | None = None
    """Sent to judge models whose endpoint takes a seed."""

    @property
    def turn(self) -> int:
        """Number of assistant turns taken."""
        return len(self.responses)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """Every tool call of the episode, in order."""
        return [call for message in self.responses for call in message.tool_calls]

    def text(self, rule: TextRule = "all", reasoning: ReasoningRule = "none") -> str:
        """Return the assistant's text that counts, by the rules of `gym_llm.extraction`."""
        return strip_reasoning(response_text(self.responses, rule), reasoning)


class Verifier(Protocol):
    """Grades an episode. Implementations are frozen dataclasses; their fields are JSON configuration.

    Calling one is pure, safe on any text and bounded in time; only judge, code and SQL verifiers do I/O.
    """

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the rewards that every verification of this verifier has."""
        ...

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade an episode that has ended.

        Raises:
            VerifierError: grading could not be carried out.
        """
        ...
