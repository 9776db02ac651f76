"""Transcripts as plain text: parts, turns, bounds, differences."""

from gym_llm.viewer.transcript import MAX_PART_CHARS, differences, transcript
from gym_llm.viewer.visible import visible
from tests.support.runs import rollout
from tests.viewer.sample import CONTROLS, WORKPLACE, answered, failure, played


def test_tools_turns_and_rewards_are_named() -> None:
    parts = list(transcript(played(WORKPLACE, 0)))
    headings = [part.text for part in parts if part.kind == "heading"]
    assert headings[:4] == [
        "system",
        "user",
        "assistant · turn 1 · reward 0",
        "tool · email_search_emails",
    ]
    assert headings[-1] == "assistant · turn 3 · reward 1"
    calls = [part.text for part in parts if part.kind == "call"]
    assert calls[0] == '→ email_search_emails {\n  "query": "yara lunch menu"\n}'


def test_failure_comes_first() -> None:
    first = next(iter(transcript(rollout(0, failure=failure("env_crash", "SIGKILL", "gone")))))
    assert (first.kind, first.text) == ("failure", "env_crash: SIGKILL\ngone")


def test_control_characters_are_spelled_out() -> None:
    text = "".join(part.text for part in transcript(answered(0, CONTROLS)))
    assert "⟨U+001B⟩[31mred" in text
    assert not {"\x1b", "\x07", "\u202e", "\u200b", "\U000e0041"} & set(text)
    assert visible("a\r\nb\tc\ud800") == "a\nb\tc⟨U+D800⟩"


def test_long_text_is_cut_and_says_so() -> None:
    parts = list(transcript(answered(0, "z" * (MAX_PART_CHARS + 5))))
    assert parts[-1].text.endswith("z\n... 5 more characters")


def test_odd_messages_are_shown_as_they_are() -> None:
    odd = {"tool_calls": [3, {"function": None}, {"function": {"name": "f", "arguments": "{"}}]}
    texts = [part.text for part in transcript(answered(0, None, message=odd)) if part.kind == "call"]
    assert texts == ["→ ? ", "→ f {"]


def test_differences_are_lines_of_a_diff() -> None:
    left, right = rollout(0, 0, answer="A"), rollout(0, 1, answer="B")
    lines = differences(left, right)
    assert "-\\boxed{A}" in lines
    assert "+\\boxed{B}" in lines
    assert differences(left, left) == []
