"""Structured output: does the answer parse and fit the row's JSON schema?

The rules are those of NeMo Gym's ``structured_outputs`` servers: the answer is the text, or the
arguments of one tool call.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gym_llm.errors import ConfigError
from gym_llm.messages import ToolCall, message_text
from gym_llm.scores import Score, mean_by, task_mean
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.coercion import coerce_csv, coerce_xml
from gym_llm.verifiers.formats import FormatError, parse_format
from gym_llm.verifiers.schema import CompiledSchema, SchemaError, compile_schema

ErrorType = Literal[
    "empty_response",
    "schema_error",
    "parse_error",
    "validation_error",
    "missing_tool_call",
    "multiple_tool_calls",
    "wrong_tool_name",
    "tool_arguments_parse_error",
    "missing_tool_payload_key",
]
MAX_MESSAGE_CHARS = 500
ROW_FIELDS = (
    *("schema_type", "problem_type", "schema_repr", "response_mode", "tool_schema_mode", "tool_choice"),
    *("parallel_tool_calls", "num_tools", "has_distractors", "instruction_layout"),
    *("instruction_detail_level", "system_instruction_style", "tool_name_style", "distractor_style"),
    "tool_union_mode",
)
"""Fields of rows that say what kind of task it is; the mean reward is reported for each value."""


class _OutputError(Exception):
    """The answer does not count, for the reason ``kind``."""

    def __init__(self, kind: ErrorType, message: str) -> None:
        super().__init__(message[:MAX_MESSAGE_CHARS])
        self.kind = kind


@dataclass(frozen=True)
class StructuredOutput:
    """1.0 if the answer is valid against the row's schema; else 0.0 with ``error_type`` and message.

    The task's row is a `gym_llm.envs.instruction_following.structured_outputs.StructuredOutputRow`.
    """

    strict: bool = True
    """Objects must have all their properties and no others, whatever the row's schema says."""
    strict_branches: bool = False
    """Also inside ``anyOf``, ``oneOf``, ``allOf`` and ``prefixItems``."""
    check_formats: bool = False
    """Check ``format``, for example of dates."""
    xml_coerce_types: bool = True
    """Convert XML's texts to the types of the schema."""
    content_weight: float = 0.0
    """Share of a valid answer's reward that its content earns (see `content_share`): 0 to 1."""

    components = ("valid",)

    def __post_init__(self) -> None:
        if not 0 <= self.content_weight <= 1:
            raise ConfigError(f"content_weight must be from 0 to 1, got {self.content_weight!r}")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the whole episode's text, or its one tool call."""
        row = task.row
        try:
            if row.response_mode == "tool_call":
                value = self._read_call(row, episode.tool_calls)
            else:
                value = self._read_text(row, episode.text("all"))
        except _OutputError as error:
            return Verification.of("valid", 0.0, error_type=error.kind, error_message=str(error))
        fields: dict[str, Any] = {"error_type": None, "error_message": None}
        reward = 1.0
        if self.content_weight:
            prompt = "\n".join(message_text(m) for m in row.messages)
            fields["content"] = content_share(value, prompt)
            reward = 1.0 - self.content_weight * (1.0 - fields["content"])
        return Verification(reward, {"valid": 1.0}, fields)

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the share of each error, and the mean reward for each kind of task."""
        kinds = sorted({kind for score in scores if (kind := score.fields.get("error_type"))})
        return {
            **{f"error_type/{kind}": task_mean(scores, _is_error(kind)) for kind in kinds},
            **mean_by(scores, ROW_FIELDS),
        }

    def _read_text(self, row: Any, text: str) -> Any:
        if not text.strip():
            raise _OutputError("empty_response", "no text")
        schema = self._schema(row)
        try:
            value = parse_format(text, row.schema_type)
        except FormatError as error:
            raise _OutputError("parse_error", str(error)) from error
        if row.schema_type == "xml" and self.xml_coerce_types:
            value = coerce_xml(value, schema.schema)
        elif row.schema_type == "csv":
            value = coerce_csv(value, schema.schema)
        return _validated(schema, value)

    def _read_call(self, row: Any, calls: list[ToolCall]) -> Any:
        if not calls:
            raise _OutputError("missing_tool_call", "no tool call")
        if len(calls) > 1:
            raise _OutputError("multiple_tool_calls", f"{len(calls)} tool calls")
        if row.tool_name and calls[0].name != row.tool_name:
            raise _OutputError("wrong_tool_name", f"{calls[0].name!r} instead of {row.tool_name!r}")
        try:
            value = parse_format(calls[0].arguments, "json")
        except FormatError as error:
            raise _OutputError("tool_arguments_parse_error", str(error)) from error
        if row.tool_payload_key:
            if not isinstance(value, dict) or row.tool_payload_key not in value:
                raise _OutputError("missing_tool_payload_key", f"no key {row.tool_payload_key!r}")
            value = value[row.tool_payload_key]
        return _validated(self._schema(row), value)

    def _schema(self, row: Any) -> CompiledSchema:
        try:
            return compile_schema(row.schema_str, self.strict, self.strict_branches, self.check_formats)
        except SchemaError as error:
            raise _OutputError("schema_error", str(error)) from error


def _is_error(kind: str) -> Callable[[Score], float]:
    return lambda score: float(score.fields.get("error_type") == kind)


def _validated(schema: CompiledSchema, value: Any) -> Any:
    error = schema.error(value)
    if error is not None:
        raise _OutputError("validation_error", error)
    return value


def content_share(value: Any, prompt: str) -> float:
    """Return the share of an answer's leaves that hold something and whose words are in the prompt.

    Empty texts, nulls and arrays or objects without items count as leaves that hold nothing; booleans
    are not looked at.

    >>> content_share({"name": "Ada", "town": "", "age": 7}, "Ada is 36.")
    0.3333333333333333
    """
    words = set(_words(prompt))
    leaves = [leaf for leaf in _leaves(value) if not isinstance(leaf, bool)]
    found = [bool(_words(leaf)) and words.issuperset(_words(leaf)) for leaf in leaves]
    return sum(found) / len(found) if found else 0.0


def _words(value: Any) -> list[str]:
    if not isinstance(value, str | int | float):
        return []
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    words = (word.strip(".,;:!?()[]{}\"'`*#") for word in text.lower().split())
    return [word for word in words if word]


def _leaves(value: Any) -> Iterator[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not items:
        yield value
    for item in items:
        yield from _leaves(item)
