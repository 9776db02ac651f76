"""A line of a rollout file of NeMo Gym, checked, and how its agents and our environments are named."""

import json
import logging
import os
from collections.abc import Iterator
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from gym_llm.errors import DataError, RowError, UnknownNameError
from gym_llm.registration import EnvInfo, find, table
from gym_llm.tasks import MAX_LINE_BYTES

logger = logging.getLogger(__name__)

FINITE = Annotated[float, Field(allow_inf_nan=False)]
INDEX = Annotated[int, Field(ge=0, lt=2**63)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow")


class Usage(_Part):
    """Tokens of all turns together."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: dict[str, Any] | None = None
    output_tokens_details: dict[str, Any] | None = None


class Response(_Part):
    """The items that the episode produced: the model's, and the tools' and the user's answers."""

    output: list[dict[str, Any] | list[dict[str, Any]]] = []
    model: str | None = None
    status: str | None = None
    incomplete_details: dict[str, Any] | None = None
    usage: Usage | None = None


class Params(_Part):
    """What the model was asked."""

    input: str | list[dict[str, Any]] = []
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None


class AgentRef(_Part):
    """Who played."""

    name: str


class NemoRow(_Part):
    """A line of a rollout file, or of a failures file; the verifier's fields are extra ones."""

    reward: FINITE = 0.0
    response: Response | None = None
    responses_create_params: Params = Params()
    agent_ref: AgentRef | None = None
    reward_components: dict[str, FINITE] | None = None
    truncated: Any = None
    task: INDEX | None = Field(None, alias="_ng_task_index")
    repeat: INDEX | None = Field(None, alias="_ng_rollout_index")
    failure_class: str | None = Field(None, alias="_ng_failure_class")

    @pydantic.model_validator(mode="after")
    def _is_graded_or_failed(self) -> "NemoRow":
        if self.failure_class is None:
            missing = [name for name in ("reward", "response") if name not in self.model_fields_set]
            if missing or self.response is None:
                raise ValueError(f"{(missing or ['response'])[0]}: missing, and the row is no failure")
        return self


def read_rows(path: str | os.PathLike[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the objects of a JSONL file with their line numbers; a torn last line is left out.

    Raises:
        DataError: the file cannot be read. RowError: a line is no JSON object.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115  closed below, as long as the generator lives
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    with file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise RowError(str(path), number, f"line of more than {MAX_LINE_BYTES} bytes")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith(b"\n"):
                    logger.warning("%s, line %d is torn and left out", path, number)
                    return
                raise RowError(str(path), number, f"not valid JSON: {error}") from error
            if not isinstance(row, dict):
                raise RowError(str(path), number, f"expected an object, got {type(row).__name__}")
            yield number, row


def env_id_of(agent: str | None) -> str:
    """Return the id of the environment that an agent of NeMo Gym is named after.

    >>> env_id_of("mcqa_simple_agent"), env_id_of("another_agent")
    ('gym_llm/MCQA-v0', 'nemo_gym/another_agent')
    """
    if not agent:
        return "nemo_gym/unnamed"
    rows = [info for info in table.values() if info.row and f"{agent}_".startswith(f"{info.row}_")]
    longest = max(rows, key=lambda info: len(info.row), default=None)
    return longest.id if longest else f"nemo_gym/{agent}"


def agent_name(env_id: str) -> str:
    """Return the name of the agent that NeMo Gym's configuration of an environment has.

    >>> agent_name("gym_llm/MCQA-v0"), agent_name("other/Thing-v0")
    ('mcqa_simple_agent', 'other_thing_v0')
    """
    try:
        info: EnvInfo | None = find(env_id)
    except UnknownNameError:
        info = None
    if info is None or not info.row:
        name = env_id.removeprefix("nemo_gym/")
        return "".join(char if char.isalnum() else "_" for char in name.lower())
    return f"{info.row}_{'gymnasium' if info.kind == 'game' else 'simple'}_agent"
