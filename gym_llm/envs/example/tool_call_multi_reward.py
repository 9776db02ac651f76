"""Tool call with several rewards: one expected call, graded by three components."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field, model_validator

from gym_llm.core import ToolEnv, Turn, tool
from gym_llm.envs.example.weather import weather_question
from gym_llm.messages import AssistantMessage, Message, ToolCall, encode_action
from gym_llm.tasks import RawRow, Row
from gym_llm.verifiers.tool_calls import ExpectedCall, check_tools

HOW = (
    "Answer questions about the weather with a single call of get_weather, and write nothing beside it."
)


@tool
def get_weather(city: Annotated[str, Field(description="Name of the city.")]) -> dict[str, str]:
    """Get the present weather of a city."""
    return {"city": city, "weather_description": f"It is sunny in {city}."}


class Call(BaseModel):
    """The call that a task asks for; without a name nothing is right."""

    name: str = ""
    arguments: dict[str, Any] = {}


class ToolCallMultiRewardRow(Row):
    """A question and the call that answers it."""

    question: str | None = None
    expected_call: Call = Call()

    @model_validator(mode="after")
    def _tools_are_usable(self) -> "ToolCallMultiRewardRow":
        if declared := super().tools:
            check_tools(declared)
        return self

    @property
    def tools(self) -> list[Message]:
        """The tools that the row declares, else ``get_weather``."""
        return super().tools or [get_weather.schema()]

    def default_prompt(self) -> list[Message] | None:
        """Return how to answer, and the question."""
        if self.question is None:
            return None
        return [{"role": "system", "content": HOW}, {"role": "user", "content": self.question}]


def generate_task(index: int) -> RawRow:
    """Return a row about one of the known cities; equal indices give equal rows."""
    city, question = weather_question(index)
    call = ToolCall("get_weather", json.dumps({"city": city}))
    return {
        "question": question,
        "expected_call": {"name": call.name, "arguments": {"city": city}},
        "reference": [encode_action("", [call])],
    }


class ToolCallMultiRewardEnv(ToolEnv):
    """Make the one expected tool call; three components show what was right about it.

    ## Description
    A question about the weather that asks for exactly one call and no text. Made for training with
    several rewards (see `gym_llm.wrappers.MultiReward`; GDPO normalises each component by itself).
    ## Observation
    ``str``: the row's prompt, or its ``question`` with the instruction; then the results of the tool.
    ## Action
    ``str``: the assistant's turn with its tool call (see `gym_llm.encode_action`). The tool
    ``get_weather(city: string)`` gives ``{"city": ..., "weather_description": ...}``.
    ## Reward
    The sum, 0 to 3, of ``info["rewards"]``, always in this order:

    - ``correctness``: any call has the name in ``expected_call`` and each of its arguments with an equal
      value; an expected null equals an absent argument; further arguments are allowed; an
      ``expected_call`` without a name is never met;
    - ``schema_valid``: the arguments of the first call are a JSON object with every required name of
      the row's tool; a tool that the row does not declare requires none. With ``strict_schema=True`` the
      tool must be declared and the arguments (at most 10,000 characters) fit its JSON schema, whose
      patterns run for one second at most;
    - ``format``: one call in the whole episode, and no text; thoughts apart from the content are none.

    ``info["verification"].fields``: ``predicted_calls``, a list of ``{"name", "arguments"}`` with ``{}``
    for malformed arguments (also such as are nested more than 32 levels deep).

    Differs from NeMo Gym: the first response ends the episode, so that ``format`` can be earned; and an
    empty text beside a call is no message.
    ## Episode end
    Terminates after one turn; the call is carried out all the same. With ``max_turns`` other than 1,
    terminates with the first turn without a call, and is truncated, and graded, after that many turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``max_turns`` (int or None,
    default 1): a larger number, or None for no limit, gives the loop of NeMo Gym's agent. There the
    concluding text costs ``format``, so 2.0 is the most. ``strict_schema`` (bool, default False).
    ## Data and licence
    ``tasks="generated"`` combines cities and phrasings. The bundled tasks are gym_llm's own (Apache
    2.0).
    ## Version history
    - v0: first version.
    """

    row_model = ToolCallMultiRewardRow
    data = "tool_call_multi_reward"
    toolset = (get_weather,)
    verifier_class = ExpectedCall
    generate = staticmethod(generate_task)

    def __init__(self, max_turns: int | None = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # `make` puts the limit around the environment; here it only tells one turn from a loop.
        self._is_single_turn = max_turns == 1

    def respond(self, message: AssistantMessage) -> Turn:
        """Carry out the calls; the first turn may be the last."""
        turn = super().respond(message)
        turn.terminated = turn.terminated or self._is_single_turn
        return turn
