"""Segments: the tokens of a rollout, each once, with a loss mask."""

from gym_llm.messages import AssistantMessage
from gym_llm.models import Completion, TurnTokens, Usage
from gym_llm.rollouts.records import TokenSegment
from gym_llm.rollouts.tokens import segments


def turn(prompt: list[int] | None, made: list[int], *logprobs: float) -> Completion:
    tokens = None
    if prompt is not None:
        tokens = TurnTokens(prompt, made, list(logprobs) or [None] * len(made))
    return Completion(AssistantMessage("x"), Usage(), 0.0, "m", tokens=tokens)


def segment(ids: list[int], mask: list[int], logprobs: list[float | None]) -> TokenSegment:
    return TokenSegment(token_ids=ids, loss_mask=mask, logprobs=logprobs)


def test_continued_prompts_make_one_segment() -> None:
    turns = [turn([1, 2], [3, 4], -0.5, -1.0), turn([1, 2, 3, 4, 5], [6], -2.0)]
    assert segments(turns) == [
        segment([1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 0, 1], [None, None, -0.5, -1.0, None, -2.0])
    ]


def test_prompt_that_is_no_continuation_starts_a_segment() -> None:
    # The template dropped token 3 (a thought) from the history.
    turns = [turn([1, 2], [3, 4]), turn([1, 2, 4, 5], [6]), turn([1, 2, 4, 5, 6, 7], [8])]
    assert segments(turns) == [
        segment([1, 2, 3, 4], [0, 0, 1, 1], [None] * 4),
        segment([1, 2, 4, 5, 6, 7, 8], [0, 0, 0, 0, 1, 0, 1], [None] * 7),
    ]


def test_shorter_prompt_starts_a_segment() -> None:
    assert [s.token_ids for s in segments([turn([1, 2, 3], [4]), turn([1, 2], [5])])] == [
        [1, 2, 3, 4],
        [1, 2, 5],
    ]


def test_turn_without_tokens_becomes_part_of_the_next_prompt() -> None:
    turns = [turn([1], [2]), turn(None, []), turn([1, 2, 3, 4, 5], [6])]
    assert [s.loss_mask for s in segments(turns)] == [[0, 1, 0, 0, 0, 1]]


def test_no_tokens_no_segments() -> None:
    assert segments([turn(None, [])]) == []
