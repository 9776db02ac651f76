"""Text variants and reasoning tags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_llm.extraction import ReasoningRule, TextRule, response_text, strip_reasoning
from gym_llm.messages import AssistantMessage


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("all", "a  b  "), ("all_lines", "a \n b \n"), ("last", "b")],
    ids=["all", "lines", "last"],
)
def test_text_rules(rule: TextRule, expected: str) -> None:
    texts = [AssistantMessage("a "), AssistantMessage(" b "), AssistantMessage(" ")]
    assert response_text(texts, rule) == expected.strip() if rule == "all_lines" else expected


@pytest.mark.parametrize(
    ("text", "none", "strip", "strip_truncated", "tail", "outside"),
    [
        pytest.param("7", "7", "7", "7", "7", "7", id="no-tags"),
        pytest.param("<think>a</think> 7", "<think>a</think> 7", "7", "7", " 7", "7", id="closed"),
        pytest.param("a</think> 7", "a</think> 7", "7", "7", " 7", "7", id="only-closing"),
        pytest.param("<think>a 7", "<think>a 7", "<think>a 7", "", "<think>a 7", "", id="only-opening"),
        pytest.param("7 <think>8", "7 <think>8", "7 <think>8", "", "7 <think>8", "7", id="opens-last"),
        pytest.param(
            "<think>a</think>b<thinking>c</thinking>d",
            "<think>a</think>b<thinking>c</thinking>d",
            "bd",
            "bd",
            "b<thinking>c</thinking>d",
            "bd",
            id="both-tags",
        ),
    ],
)
def test_reasoning_rules(
    text: str, none: str, strip: str, strip_truncated: str, tail: str, outside: str
) -> None:
    rules: list[ReasoningRule] = ["none", "strip", "strip_truncated", "tail", "outside"]
    assert [strip_reasoning(text, r) for r in rules] == [none, strip, strip_truncated, tail, outside]


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<thinking>", "</thinking>", "x "])).map("".join)
)
def test_outside_leaves_no_opening_tag(text: str) -> None:
    assert "<think>" not in strip_reasoning(text, "outside")


def test_a_megabyte_of_tags_is_linear() -> None:
    assert strip_reasoning("<think>" * 150_000, "outside") == ""
    assert strip_reasoning("x</think>" * 120_000, "tail") == ""
