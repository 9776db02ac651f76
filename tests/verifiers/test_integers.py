"""Integers in prose."""

import pytest

from gym_llm.verifiers.integers import last_integer


@pytest.mark.parametrize(
    ("text", "integer"),
    [
        pytest.param("7, then 9.", "9", id="last"),
        pytest.param("It went to -1,024.", "-1024", id="separators"),
        pytest.param("now \u22125", "-5", id="minus-sign"),
        pytest.param("between 3-7", "7", id="hyphen-is-no-minus"),
        pytest.param("1,2,34", "34", id="list-without-blanks"),
        pytest.param("none", None, id="none"),
        pytest.param("1" * 1_000_000, "1" * 1_000_000, id="more-digits-than-int-takes"),
    ],
)
def test_last_integer(text: str, integer: str | None) -> None:
    assert last_integer(text) == integer
