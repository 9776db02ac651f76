"""Structured outputs: the reward table of their specification, knobs, and rows."""

import json
import logging
import time
from typing import Any

import gymnasium
import pytest

import gym_llm
from gym_llm.errors import ConfigError, RowError

ID = "gym_llm/StructuredOutputsV3-v0"
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}
ROOTED = {"type": "object", "properties": {"person": PERSON}}
TABLE = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "name": {"type": "string"},
            "score": {"type": ["number", "null"]},
        },
    },
}
NAMED_PROPERTIES = {"type": "object", "properties": {"properties": {"type": "string"}}}
EITHER = {"anyOf": [PERSON, {"type": "string"}]}


def row(schema: Any, kind: str = "json", **fields: Any) -> dict[str, Any]:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return {"document": "Ada is 3.", "schema_str": text, "schema_type": kind, **fields}


def grade(task: dict[str, Any], action: str, **kwargs: Any) -> tuple[float, str | None]:
    env = gymnasium.make(ID, tasks=[task], **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(action)
    assert terminated
    fields = info["verification"].fields
    assert (fields["error_type"] is None) == (fields["error_message"] is None)
    return reward, fields["error_type"]


@pytest.mark.parametrize(
    ("schema", "kind", "response", "error"),
    [
        pytest.param(PERSON, "json", '{"name":"A","age":3}', None, id="json"),
        pytest.param(PERSON, "json", ' \n{"name":"A","age":3.0}\n', None, id="json-blanks-and-3.0"),
        pytest.param(PERSON, "json", '{"name":"A"}', "validation_error", id="json-missing-key"),
        pytest.param(PERSON, "json", '{"name":"A","age":3,"x":1}', "validation_error", id="json-extra"),
        pytest.param(PERSON, "json", '{"name":"A","age":true}', "validation_error", id="json-boolean"),
        pytest.param(PERSON, "json", '```json\n{"name":"A","age":3}\n```', "parse_error", id="fence"),
        pytest.param(PERSON, "json", '{"name":"B","name":"A","age":3}', None, id="json-key-twice"),
        pytest.param({"type": "number"}, "json", "NaN", None, id="json-nan"),
        pytest.param(PERSON, "yaml", "name: A\nage: 3", None, id="yaml"),
        pytest.param(PERSON, "yaml", "name: 2024-01-02\nage: 3", "validation_error", id="yaml-date"),
        pytest.param(PERSON, "yaml", "name: [A\nage: 3", "parse_error", id="yaml-broken"),
        pytest.param(
            PERSON, "xml", "<root><name>A</name><age>3</age></root>", "validation_error",
            id="xml-root-is-a-key"
        ),
        pytest.param(ROOTED, "xml", "<person><name>A</name><age>3</age></person>", None, id="xml"),
        pytest.param(ROOTED, "xml", "<person><name/><age>3</age></person>", None, id="xml-empty-text"),
        pytest.param(
            ROOTED, "xml", "<person><name>A</name><age>x</age></person>", "validation_error",
            id="xml-no-number"
        ),
        pytest.param(TABLE, "csv", "id,name,score\n1,a,\n2,b,3.5", None, id="csv"),
        pytest.param(TABLE, "csv", "id,name,score", None, id="csv-header-alone"),
        pytest.param(TABLE, "csv", "id,name,score\n,a,1", "validation_error", id="csv-empty-integer"),
        pytest.param(TABLE, "csv", "id,name,score\n1,a,2,9", "validation_error", id="csv-cell-too-many"),
        pytest.param(TABLE, "csv", "id,name,score\n1", "validation_error", id="csv-cells-missing"),
        pytest.param(PERSON, "toml", 'name = "A"\nage = 3', None, id="toml"),
        pytest.param(PERSON, "toml", "name = A", "parse_error", id="toml-broken"),
        pytest.param(PERSON, "json", "", "empty_response", id="empty"),
        pytest.param(PERSON, "json", " \n", "empty_response", id="blank"),
        pytest.param("{nope", "json", "{}", "schema_error", id="unreadable-schema"),
        pytest.param({"type": "text"}, "json", '"x"', "validation_error", id="invalid-schema"),
        pytest.param(NAMED_PROPERTIES, "json", '{"properties":"x"}', None, id="named-properties"),
        pytest.param(EITHER, "json", '{"name":"A"}', None, id="branch-is-not-strict"),
        pytest.param(
            {"type": "array", "items": PERSON}, "json", '[{"name":"A"}]', "validation_error",
            id="items-are-strict"
        ),
    ],
)  # fmt: skip
def test_text_mode(schema: Any, kind: str, response: str, error: str | None) -> None:
    assert grade(row(schema, kind), response) == (float(error is None), error)


TOOL = row(PERSON, response_mode="tool_call", tool_name="emit", tool_payload_key="result")


def call(arguments: str, name: str = "emit", times: int = 1) -> str:
    return gym_llm.encode_action("text beside", [gym_llm.ToolCall(name, arguments)] * times)


@pytest.mark.parametrize(
    ("task", "action", "error"),
    [
        pytest.param(TOOL, call('{"result":{"name":"A","age":3}}'), None, id="valid"),
        pytest.param(TOOL, call('{"name":"A","age":3}'), "missing_tool_payload_key", id="no-key"),
        pytest.param(TOOL, call("[1]"), "missing_tool_payload_key", id="arguments-are-an-array"),
        pytest.param(TOOL, '{"result":{"name":"A","age":3}}', "missing_tool_call", id="text-only"),
        pytest.param(TOOL, "", "missing_tool_call", id="empty"),
        pytest.param(TOOL, call("{}", times=2), "multiple_tool_calls", id="two-calls"),
        pytest.param(TOOL, call("{}", "other"), "wrong_tool_name", id="other-tool"),
        pytest.param(TOOL, call("{"), "tool_arguments_parse_error", id="arguments-no-json"),
        pytest.param(TOOL, call('{"result":{"name":"A"}}'), "validation_error", id="invalid"),
        pytest.param(
            {**TOOL, "schema_str": "{"}, call('{"result":1}'), "schema_error", id="unreadable-schema"
        ),
        pytest.param(
            {**TOOL, "tool_payload_key": None, "tool_name": None},
            call('{"name":"A","age":3}', "any"), None, id="arguments-are-the-answer",
        ),
    ],
)  # fmt: skip
def test_tool_call_mode(task: dict[str, Any], action: str, error: str | None) -> None:
    assert grade(task, action) == (float(error is None), error)


def test_tool_of_a_row_without_prompt_has_the_schema() -> None:
    env = gymnasium.make(ID, tasks=[TOOL])
    (tool,) = env.reset(seed=0)[1]["tools"]
    assert tool["function"]["name"] == "emit"
    assert tool["function"]["parameters"]["properties"] == {"result": PERSON}


@pytest.mark.parametrize(
    ("knobs", "task", "response", "reward"),
    [
        pytest.param({"strict": False}, row(PERSON), '{"name":"A","x":1}', 1.0, id="not-strict"),
        pytest.param({"strict_branches": True}, row(EITHER), '{"name":"A"}', 0.0, id="strict-branches"),
        pytest.param(
            {"check_formats": True}, row({"type": "string", "format": "date"}), '"soon"', 0.0,
            id="formats"
        ),
        pytest.param({}, row({"type": "string", "format": "date"}), '"soon"', 1.0, id="no-formats"),
        pytest.param(
            {"xml_coerce_types": False}, row(ROOTED, "xml"),
            "<person><name>A</name><age>3</age></person>", 0.0, id="xml-as-text",
        ),
        pytest.param({"content_weight": 1.0}, row(PERSON), '{"name":"Ada","age":9}', 0.5, id="content"),
        pytest.param({"content_weight": 0.5}, row(PERSON), '{"name":"","age":9}', 0.5, id="dummies"),
        pytest.param({"content_weight": 0.5}, row(PERSON), '{"name":"Ada"}', 0.0, id="invalid"),
    ],
)  # fmt: skip
def test_knobs(knobs: dict[str, Any], task: dict[str, Any], response: str, reward: float) -> None:
    assert grade(task, response, **knobs)[0] == reward


def test_content_weight_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="content_weight must be from 0 to 1, got 2"):
        gymnasium.make(ID, content_weight=2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_type": "JSON"}, "schema_type: Input should be 'json', 'yaml', 'xml', 'toml' or 'csv'"),
        ({"response_mode": "call"}, "response_mode: Input should be 'text' or 'tool_call'"),
        ({"schema_str": None}, "schema_str: Input should be a valid string"),
        ({"document": None}, "responses_create_params: the row has no prompt"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        gymnasium.make(ID, tasks=[{**row(PERSON), **change}])


@pytest.mark.parametrize(
    ("schema", "kind", "message"),
    [
        ("{", "json", "no answer fits"),
        ("{}", "json", "accepts nearly any answer"),
        ("true", "yaml", "accepts nearly any answer"),
        ('{"type": "object"}', "csv", "no CSV fits a schema of type object"),
    ],
)
def test_useless_schema_is_warned_of(
    schema: str, kind: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        gymnasium.make(ID, tasks=[row(schema, kind)])
    assert message in caplog.text


@pytest.mark.parametrize("kind", ["json", "yaml", "xml", "toml", "csv"])
@pytest.mark.parametrize("unit", ["[", "{", "<a>", "- ", "a,", '"', "a: &a [*a]\n", "[[a]]\n", "1,\n"])
def test_long_responses_are_graded_in_bounded_time(kind: str, unit: str) -> None:
    started = time.monotonic()
    grade(row({"type": "array", "items": PERSON}, kind), unit * (1_000_000 // len(unit)))
    assert time.monotonic() - started < 20  # a bound against hangs, not a measurement
