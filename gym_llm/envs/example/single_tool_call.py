"""Single tool call: a question about the weather, and one tool that knows it."""

import json
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from gym_llm.core import ToolEnv, tool
from gym_llm.envs.example.weather import weather_question
from gym_llm.errors import VerifierError
from gym_llm.messages import Message, ToolCall, encode_action
from gym_llm.tasks import RawRow, Row, Task
from gym_llm.verification import Episode, Verification


class SingleToolCallRow(Row):
    """A question; NeMo Gym's rows have the prompt alone."""

    question: str | None = None
    expected_city: str | None = None
    """Read by ``strict`` grading only."""

    def default_prompt(self) -> list[Message] | None:
        """Return the question."""
        return None if self.question is None else [{"role": "user", "content": self.question}]


@tool
def get_weather(
    state: list[str], city: Annotated[str, Field(description="Name of the city.")]
) -> dict[str, str]:
    """Get the present weather of a city."""
    state.append(city)
    return {"city": city, "weather_description": f"It is cold in {city}."}


@dataclass(frozen=True)
class SingleToolCall:
    """1.0 for any episode; with ``strict``, for one look at the right city and an answer."""

    strict: bool = False
    """1.0 only if the one successful call named the row's ``expected_city`` (in any case) and a turn of
    text alone ended the episode."""

    components = ("correct",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the cities that were looked up.

        Raises:
            VerifierError: ``strict``, and the row has no ``expected_city``.
        """
        if not self.strict:
            return Verification.of("correct", 1.0)
        expected = task.row.expected_city
        if expected is None:
            raise VerifierError("strict grading needs expected_city in the row")
        looked_up = [city.casefold() for city in episode.state]
        return Verification.of("correct", looked_up == [expected.casefold()] and _has_answer(episode))


def _has_answer(episode: Episode) -> bool:
    return any(not final.tool_calls and final.content.strip() for final in episode.responses[-1:])


def generate_task(index: int) -> RawRow:
    """Return a row about one of the known cities; equal indices give equal rows."""
    city, question = weather_question(index)
    call = ToolCall("get_weather", json.dumps({"city": city}))
    return {
        "question": question,
        "expected_city": city,
        "reference": [encode_action("", [call]), f"It is cold in {city}."],
    }


class SingleToolCallEnv(ToolEnv):
    """Answer a question about the weather with the help of one tool.

    ## Description
    A smoke test of tool calling: the user asks about the weather of a city, and it is cold everywhere.
    ## Observation
    ``str``: the row's prompt, or its ``question``; then the results of the tool.
    ## Action
    ``str``: the assistant's turn with tool calls (see `gym_llm.encode_action`), or its final text. The
    tool ``get_weather(city: string)`` takes any city and gives ``{"city": ...,
    "weather_description": ...}``.
    ## Reward
    Always 1.0, whatever was done, so that nothing but a failing rollout stands out; ``info["rewards"]``
    has ``correct``. With ``strict=True``: 1.0 only if exactly one call succeeded, its city is the row's
    ``expected_city`` (case aside), and the last turn is text without a call; a row without
    ``expected_city`` cannot be graded so (``verification.failure``).

    Differs from NeMo Gym: only the declared tool can be called, never an endpoint of a server.
    ## Episode end
    Terminates with the first turn without a tool call; truncated, and graded, after ``max_turns`` turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``strict`` (bool, default
    False): see Reward. ``max_turns`` (int or None, default 10).
    ## Data and licence
    ``tasks="generated"`` combines cities and phrasings. The bundled tasks are gym_llm's own (Apache
    2.0).
    ## Version history
    - v0: first version.
    """

    row_model = SingleToolCallRow
    data = "single_tool_call"
    toolset = (get_weather,)
    verifier_class = SingleToolCall
    max_turns = 10
    generate = staticmethod(generate_task)

    def begin(self, task: Task) -> list[Message]:
        """Forget the cities of the last episode."""
        self.episode.state = []
        return []
