"""Session state: bring a hidden counter to the asked value by tool calls."""

import json
import random
from dataclasses import dataclass
from typing import Annotated

import pydantic

from gym_llm.core import ToolEnv, tool
from gym_llm.core.tools import ToolError
from gym_llm.extraction import response_text, strip_reasoning
from gym_llm.messages import Message, ToolCall, encode_action
from gym_llm.tasks import RawRow, Row, Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.integers import last_integer

MAX_COUNT = 2**63 - 1
"""The counter is a 64-bit one: Python refuses to print integers that a model could build otherwise."""

Count = Annotated[int, pydantic.Field(ge=-MAX_COUNT, le=MAX_COUNT)]


class SessionStateRow(Row):
    """Where the counter starts and must end; rows without a prompt name the steps between."""

    initial_count: Count
    expected_count: Count
    increments: list[Count] | None = None

    @pydantic.model_validator(mode="after")
    def _increments_lead_to_the_expected_count(self) -> "SessionStateRow":
        if self.increments is not None:
            total = self.initial_count + sum(self.increments)
            if total != self.expected_count:
                raise ValueError(f"expected_count: the increments lead to {total}")
        return self

    def default_prompt(self) -> list[Message] | None:
        """Return the steps as one request."""
        if self.increments is None:
            return None
        steps = [f"add {n}" if n >= 0 else f"take away {-n}" for n in self.increments]
        request = (
            f"Please change the counter: {', then '.join(steps)}. Then read it and tell me its value."
        )
        return [{"role": "user", "content": request}]


@dataclass
class Counter:
    """The state of one episode."""

    count: int


@tool
def increment_counter(
    state: Counter, count: Annotated[int, pydantic.Field(description="What to add; may be negative.")]
) -> dict[str, bool]:
    """Add a number to the counter."""
    total = state.count + count
    if abs(total) > MAX_COUNT:
        raise ToolError("the counter holds 64-bit numbers only; it was not changed")
    state.count = total
    return {"success": True}


@tool
def get_counter_value(state: Counter) -> dict[str, int]:
    """Read the counter."""
    return {"count": state.count}


@dataclass(frozen=True)
class CounterReached:
    """1.0 if the counter ends at the row's ``expected_count``; else 0.0."""

    reported: bool = False
    """Also ask for the value: the last integer of the final turn must be the counter's."""

    @property
    def components(self) -> tuple[str, ...]:
        """``counter``, and ``reported`` where that is asked for."""
        return ("counter", "reported") if self.reported else ("counter",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the state of the episode."""
        count = episode.state.count
        rewards = {"counter": float(count == task.row.expected_count)}
        if self.reported:
            final = strip_reasoning(response_text(episode.responses[-1:]))
            rewards["reported"] = float(last_integer(final) == str(count))
        return Verification(min(rewards.values()), rewards)


def generate_task(index: int) -> RawRow:
    """Return a row with one to five steps; equal indices give equal rows."""
    rng = random.Random(index)
    initial = rng.randint(0, 99)
    increments = [rng.choice((-1, 1, 1)) * rng.randint(1, 20) for _ in range(rng.randint(1, 5))]
    if sum(increments) == 0:  # doing nothing must not be the right answer
        increments[0] *= 2
    expected = initial + sum(increments)
    calls = [ToolCall("increment_counter", json.dumps({"count": n})) for n in increments]
    return {
        "initial_count": initial,
        "increments": increments,
        "expected_count": expected,
        "reference": [
            *(encode_action("", [call]) for call in calls),
            encode_action("", [ToolCall("get_counter_value")]),
            f"The counter is at {expected}.",
        ],
    }


class SessionStateEnv(ToolEnv):
    """Change a counter by given amounts and read it.

    ## Description
    Each episode has a counter of its own, whose starting value the model is not told. The user asks for
    some additions and for the result. The environment shows how an episode keeps state: everything that
    changes is in ``episode.state``, so episodes fork, pickle and never meet.
    ## Observation
    ``str``: the row's prompt; for rows without one, a request made of ``increments``. Then the results
    of the tools.
    ## Action
    ``str``: the assistant's turn with tool calls (see `gym_llm.encode_action`), or its final text.

    - ``increment_counter(count: integer)`` adds and gives ``{"success": true}``;
    - ``get_counter_value()`` gives ``{"count": ...}``.

    ``"3"``, ``3.0`` and ``true`` are integers here; ``3.5``, null or a missing count are an error and
    change nothing.
    ## Reward
    1.0 if the counter ends at ``expected_count``, else 0.0; ``info["rewards"]`` has ``counter``. With
    ``reported=True`` also ``reported``, 1.0 if the last integer of the final turn (thoughts aside) is
    the counter's value; the reward is then the smaller of the two.

    Differs from NeMo Gym: every reset starts afresh, a row must say where the counter starts, and the
    counter does not leave 64 bits.
    ## Episode end
    Terminates with the first turn without a tool call; truncated, and graded, after ``max_turns`` turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``reported`` (bool, default
    False): see Reward. ``max_turns`` (int or None, default 20).
    ## Data and licence
    ``tasks="generated"`` makes rows of one to five additions and subtractions. The bundled tasks are
    gym_llm's own (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = SessionStateRow
    data = "session_state"
    toolset = (increment_counter, get_counter_value)
    verifier_class = CounterReached
    max_turns = 20
    generate = staticmethod(generate_task)

    def begin(self, task: Task) -> list[Message]:
        """Set the counter."""
        self.episode.state = Counter(task.row.initial_count)
        return []
