"""Parsers of what models write: values, and what is refused."""

import time
from typing import Any

import pytest

from gym_llm.errors import UnknownNameError
from gym_llm.verifiers.formats import MAX_CHARS, MAX_DEPTH, FormatError, check_size, parse_format

LEVELS = range(1, 60)
MERGE_BOMB = "a0: &a0 {k: v}\n" + "".join(
    f"a{i}: &a{i}\n  <<: [*a{i - 1}, *a{i - 1}]\n  k{i}: 1\n" for i in LEVELS
)
ALIAS_BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in LEVELS)
MANY_MERGES = (
    "a: &a {" + ",".join(f"k{i}: 1" for i in range(2000)) + "}\nb: [" + "{<<: *a}," * 5000 + "]\n"
)
ENTITY_BOMB = '<!DOCTYPE a [<!ENTITY x "yyyy"><!ENTITY z "&x;&x;">]><a>&z;</a>'
DEFAULTS = "<!DOCTYPE r [" + '<!ATTLIST r a CDATA "x">' * 9 + "]><r/>"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        pytest.param('{"a": 1, "a": [null, true]}', "json", {"a": [None, True]}, id="json-last-key"),
        pytest.param("a: &x {b: 1}\nc: {<<: *x, d: 2}", "yaml",
                     {"a": {"b": 1}, "c": {"b": 1, "d": 2}}, id="yaml-merge"),
        pytest.param("- 1:30\n- 0x1F\n- yes", "yaml", [90, 31, True], id="yaml-1.1-scalars"),
        pytest.param('<a x="1"><b/>t</a>', "xml", {"a": {"@x": "1", "b": None, "#text": "t"}}, id="xml"),
        pytest.param("<!DOCTYPE a><a>&lt;</a>", "xml", {"a": "<"}, id="xml-doctype-without-entities"),
        pytest.param("a.b = 1\n[[c]]\nd = 2", "toml", {"a": {"b": 1}, "c": [{"d": 2}]}, id="toml"),
        pytest.param('a,b\n"x, y",2\n', "csv", [{"a": "x, y", "b": "2"}], id="csv"),
        pytest.param("\na,b\n\n1\n1,2,3\n", "csv",
                     [{"a": "1", "b": None}, {"a": "1", "b": "2", None: ["3"]}], id="csv-ragged"),
    ],
)  # fmt: skip
def test_value(text: str, name: Any, value: Any) -> None:
    assert parse_format(text, name) == value


@pytest.mark.parametrize(
    ("text", "name"),
    [
        pytest.param("", "json", id="json-empty"),
        pytest.param("1" * 5000, "json", id="json-huge-integer"),
        pytest.param("[" * 100_000, "json", id="json-deep"),
        pytest.param("[" * 70 + "]" * 70, "json", id="json-deeper-than-the-bound"),
        pytest.param("[" + "1," * 100_000 + "1]", "json", id="json-many-values"),
        pytest.param("a: [", "yaml", id="yaml-broken"),
        pytest.param("a: 2024-13-45", "yaml", id="yaml-impossible-date"),
        pytest.param("? [a]\n: 1", "yaml", id="yaml-unhashable-key"),
        pytest.param('!!float ""', "yaml", id="yaml-empty-float"),
        pytest.param("!!bool maybe", "yaml", id="yaml-no-boolean"),
        pytest.param("!!timestamp x", "yaml", id="yaml-no-time"),
        pytest.param("!!python/object/apply:os.getcwd []", "yaml", id="yaml-python-tag"),
        pytest.param("&a [*a]", "yaml", id="yaml-recursive"),
        pytest.param("&a {<<: *a}", "yaml", id="yaml-recursive-merge"),
        pytest.param("a: 1" + ":1" * 50_000, "yaml", id="yaml-base-60"),
        pytest.param(ALIAS_BOMB, "yaml", id="yaml-alias-bomb"),
        pytest.param(MANY_MERGES, "yaml", id="yaml-many-merges"),
        pytest.param(
            "a: &a " + "x" * 50_000 + "\nb: [" + "*a," * 5000 + "]", "yaml", id="yaml-long-alias"
        ),
        pytest.param("\ud800", "yaml", id="yaml-surrogate"),
        pytest.param("\ud800", "xml", id="xml-surrogate"),
        pytest.param("<a>", "xml", id="xml-unclosed"),
        pytest.param("<a/><b/>", "xml", id="xml-two-roots"),
        pytest.param(ENTITY_BOMB, "xml", id="xml-entities"),
        pytest.param(DEFAULTS, "xml", id="xml-default-attributes"),
        pytest.param("<a>" * 5000 + "</a>" * 5000, "xml", id="xml-deep"),
        pytest.param("a = 0x" + "f" * 20_000, "toml", id="toml-huge-integer"),
        pytest.param("a = " + "[" * 5000, "toml", id="toml-deep"),
        pytest.param("a." * 5000 + "b = 1", "toml", id="toml-dotted-key"),
        pytest.param("'a' . \"b\" . " * 5000 + "b = 1", "toml", id="toml-quoted-dotted-key"),
        pytest.param("\n\n", "csv", id="csv-blank"),
        pytest.param("," * 100_000 + "\n" + "a\n" * 100_000, "csv", id="csv-wide-and-long"),
        pytest.param("a\n" + "x" * 200_000, "csv", id="csv-long-cell"),
        *(pytest.param(" " * (chars + 1), name, id=f"{name}-long") for name, chars in MAX_CHARS.items()),
    ],
)  # fmt: skip
def test_refused_in_bounded_time(text: str, name: Any) -> None:
    started = time.monotonic()
    with pytest.raises(FormatError):
        parse_format(text, name)
    assert time.monotonic() - started < 10  # a bound against hangs, not a measurement


def test_merge_keys_cannot_double_forever() -> None:
    started = time.monotonic()
    try:  # newer PyYAML drops keys that come twice, older ones reach the bound
        keys = len(parse_format(MERGE_BOMB, "yaml")["a59"])
    except FormatError:
        keys = 0
    assert keys in (0, 60)
    assert time.monotonic() - started < 10


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="unknown format 'jsonl'; did you mean json"):
        parse_format("{}", "jsonl")  # type: ignore[arg-type]


def test_depth_up_to_the_bound_is_accepted() -> None:
    value: Any = 0
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    check_size(value)
    with pytest.raises(FormatError, match="nested deeper"):
        check_size([value])
