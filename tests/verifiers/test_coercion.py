"""Texts of XML and CSV as the types of a schema."""

from typing import Any

import pytest

from gym_llm.verifiers.coercion import coerce_csv, coerce_xml


@pytest.mark.parametrize(
    ("value", "schema", "coerced"),
    [
        pytest.param(
            {"i": ["1", "2"]}, {"type": "array", "items": {"type": "integer"}}, [1, 2], id="wrapped"
        ),
        pytest.param({"i": None}, {"type": "array"}, [], id="wrapped-nothing"),
        pytest.param(None, {"type": "array"}, [], id="empty-array"),
        pytest.param("a", {"type": "array"}, ["a"], id="single-item"),
        pytest.param({"a": "1", "b": "2"}, {"type": "array"}, [{"a": "1", "b": "2"}], id="two-keys"),
        pytest.param(None, {"type": "string"}, "", id="empty-text"),
        pytest.param(None, {"type": "integer"}, None, id="null-integer"),
        pytest.param("TRUE", {"type": "boolean"}, True, id="boolean"),
        pytest.param("0", {"type": "boolean"}, False, id="zero-is-false"),
        pytest.param("2.5", {"type": "number"}, 2.5, id="number"),
        pytest.param("2.5", {"type": "integer"}, "2.5", id="no-integer"),
        pytest.param("3", {"type": ["integer", "null"]}, "3", id="type-list-is-left"),
        pytest.param("3", {}, "3", id="no-type"),
        pytest.param({"a": "3", "b": "3"}, {"type": "object", "properties": {"a": {"type": "integer"}}},
                     {"a": 3, "b": "3"}, id="known-properties"),
        pytest.param({"a": "3"}, {"type": "object", "properties": {"a": True}}, {"a": "3"}, id="true"),
    ],
)  # fmt: skip
def test_coerce_xml(value: Any, schema: Any, coerced: Any) -> None:
    assert coerce_xml(value, schema) == coerced


@pytest.mark.parametrize(
    ("cell", "kind", "coerced"),
    [
        ("3", "integer", 3),
        ("", "integer", ""),
        ("", ["integer", "null"], None),
        ("", ["integer", "string"], ""),
        ("x", ["integer", "string"], "x"),
        ("1.5", ["integer", "number"], 1.5),
        ("false", "boolean", False),
        ("3", "string", "3"),
        (None, ["string", "null"], None),
    ],
)
def test_coerce_csv(cell: str | None, kind: Any, coerced: Any) -> None:
    schema = {"items": {"properties": {"c": {"type": kind}}}}
    assert coerce_csv([{"c": cell, "other": "1"}], schema) == [{"c": coerced, "other": "1"}]
