"""JSON Schema: strictness by position, verdicts, and bounds."""

import json
import time
from typing import Any

import jsonschema
import pytest

from gym_llm.verifiers.schema import SchemaError, compile_schema, load_schema, strictify

STRICT = {"required": ["a"], "additionalProperties": False}
CHAIN = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(40)} | {"d40": {}}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        pytest.param(True, True, id="boolean"),
        pytest.param(
            {"properties": {"a": {}}, "required": [], "additionalProperties": True},
            {"properties": {"a": {}}, **STRICT}, id="own-required-is-replaced",
        ),
        pytest.param(
            {"items": {"properties": {"a": {}}}}, {"items": {"properties": {"a": {}}, **STRICT}},
            id="items",
        ),
        pytest.param(
            {"$defs": {"properties": {"properties": {"a": {}}}}},
            {"$defs": {"properties": {"properties": {"a": {}}, **STRICT}}},
            id="definition-called-properties",
        ),
        pytest.param(
            {"properties": {"properties": {"type": "string"}}},
            {"properties": {"properties": {"type": "string"}},
             "required": ["properties"], "additionalProperties": False}, id="property-called-properties",
        ),
        pytest.param(
            {"const": {"properties": {}}, "default": {"properties": {}}},
            {"const": {"properties": {}}, "default": {"properties": {}}}, id="values-stay",
        ),
        pytest.param({"anyOf": [{"properties": {}}]}, {"anyOf": [{"properties": {}}]}, id="branches"),
    ],
)  # fmt: skip
def test_strictify(schema: Any, strict: Any) -> None:
    assert strictify(schema) == strict


def test_branches_are_strict_on_demand() -> None:
    schema = {"oneOf": [{"properties": {"a": {}}}], "enum": [{"properties": {}}]}
    assert strictify(schema, branches=True) == {
        "oneOf": [{"properties": {"a": {}}, **STRICT}],
        "enum": [{"properties": {}}],
    }


def error(schema: Any, value: Any, **knobs: bool) -> str | None:
    return compile_schema(json.dumps(schema), **knobs).error(value)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 5.0),
        ({"type": "integer"}, True),
        ({"type": "string", "nullable": True}, None),
        ({"type": "string", "format": "date"}, "soon"),
        ({"pattern": "^a"}, "ba"),
        ({"pattern": "^a"}, "ab"),
        ({"patternProperties": {"^n": {"type": "number"}}, "additionalProperties": False}, {"n1": 1}),
        ({"patternProperties": {"^n": {"type": "number"}}, "additionalProperties": False}, {"m": 1}),
        ({"patternProperties": {"^n": {"type": "number"}}}, {"n": "x"}),
        ({"additionalProperties": {"type": "number"}}, {"n": "x"}),
        ({"uniqueItems": True}, [1, True, "1", [1], {"a": 1}, {"a": True}]),
        ({"uniqueItems": True}, [{"a": [1, 2]}, {"a": [1.0, 2]}]),
        ({"enum": [1, "a"]}, True),
        ({"oneOf": [{"type": "integer"}, {"minimum": 2}]}, 3),
        ({"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}}},
         {"next": {"next": 1}}),
        ({"unevaluatedProperties": False, "properties": {"a": {}}}, {"b": 1}),
        ({"contains": {"const": 1}, "maxContains": 1}, [1, 1]),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "prefixItems": [{"type": "null"}]}, [1]),
        ({"type": "text"}, 1),
        ({"pattern": "((("}, 1),
    ],
)  # fmt: skip
def test_verdict_is_that_of_jsonschema(schema: Any, value: Any) -> None:
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        expected = jsonschema.Draft202012Validator(schema).is_valid(value)
    except jsonschema.SchemaError:
        expected = False
    assert (error(schema, value, strict=False) is None) == expected


def test_formats_are_checked_on_demand() -> None:
    assert error({"format": "date"}, "2024-1-1", check_formats=True) == "'2024-1-1' is no date"
    assert error({"format": "regex"}, "(", check_formats=True)


def test_error_names_the_place() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}}
    assert error(schema, {"a": ["x", 1]}) == "a/1: 1 is not of type 'string'"


@pytest.mark.parametrize("text", ["{", "", "[" * 100_000, " " * 200_000 + "{}"])
def test_unreadable_schema_is_refused(text: str) -> None:
    with pytest.raises(SchemaError):
        load_schema(text)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        pytest.param({"$ref": "#"}, {}, id="reference-to-itself"),
        pytest.param({"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}, {}, id="branching-recursion"),
        pytest.param({"$defs": CHAIN, "$ref": "#/$defs/d0"}, {}, id="exponential-chain"),
        pytest.param({"$ref": "http://127.0.0.1:9/schema"}, {}, id="remote-reference"),
        pytest.param({"$ref": "#/nowhere"}, {}, id="dead-reference"),
        pytest.param({"pattern": "(?:(?:a{1,1000}){1,1000}){1,1000}b"}, "a" * 3000, id="slow-pattern"),
        pytest.param(
            {"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#",
                                  "pattern": "(?:(?:a{1,1000}){1,1000}){1,1000}b"}}},
            {"a": "a" * 3000}, id="slow-pattern-of-another-dialect",
        ),
        pytest.param(
            {"patternProperties": {"(?:(?:a{1,1000}){1,1000}){1,1000}b": {}}}, {"a" * 3000: 1},
            id="slow-pattern-of-properties",
        ),
        pytest.param(
            {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False}, {},
            id="patterns-that-jsonschema-runs",
        ),
        pytest.param(
            {"items": dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), 0)},
            [{}] * 49_000, id="many-items",
        ),
        pytest.param({"uniqueItems": True}, [[1]] * 40_000 + [[True]], id="many-equal-items"),
        pytest.param({"multipleOf": 0.5}, float("nan"), id="not-a-number"),
        pytest.param({"patternProperties": {"a": {}}}, {1: 2}, id="key-that-is-no-text"),
    ],
)  # fmt: skip
def test_beyond_a_bound_is_invalid(schema: Any, value: Any) -> None:
    started = time.monotonic()
    assert error(schema, value, strict=False) is not None
    assert time.monotonic() - started < 20  # a bound against hangs, not a measurement
