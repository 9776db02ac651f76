"""Which part of what a model wrote is graded: text variants and reasoning-tag rules, each in one place.

Environments name their variant where their specification names one; everything here is linear in the
text.
"""

from collections.abc import Sequence
from typing import Literal

from gym_llm.messages import AssistantMessage

TextRule = Literal["all", "all_lines", "last"]
"""``all``: every turn, no separator (TEXT-ALL).
``all_lines``: every turn, joined with line breaks, stripped (TEXT-ALLNL).
``last``: the last turn that has text, stripped (TEXT-LAST)."""

ReasoningRule = Literal["none", "strip", "strip_truncated", "tail", "outside"]
"""``none``: tags are ordinary text (THINK-NONE).
``strip``: closed blocks go, then everything up to a closing tag that remains (THINK-STRIP).
``strip_truncated``: also nothing is left when a tag opens and none closes (THINK-TRUNC).
``tail``: what follows the last ``</think>``; an unclosed ``<think>`` is ordinary text (THINK-TAIL).
``outside``: as ``strip``, and an unclosed block goes up to the end: thoughts are never graded."""

_TAGS = ("think", "thinking")


def response_text(responses: Sequence[AssistantMessage], rule: TextRule = "all") -> str:
    """Return the text of an episode's assistant turns that counts.

    >>> response_text([AssistantMessage("a"), AssistantMessage("b ")], "last")
    'b'
    """
    texts = [message.content for message in responses]
    if rule == "all":
        return "".join(texts)
    if rule == "all_lines":
        return "\n".join(texts).strip()
    return next((text.strip() for text in reversed(texts) if text.strip()), "")


def strip_reasoning(text: str, rule: ReasoningRule = "outside") -> str:
    """Remove inline reasoning by the given rule; tags are matched in lower case.

    >>> strip_reasoning("<think>7?</think> 9 <think>or", "outside")
    '9'
    """
    if rule == "none":
        return text
    if rule == "tail":
        return text.rpartition("</think>")[2] if "</think>" in text else text
    opens = any(f"<{tag}>" in text for tag in _TAGS)
    if not opens and not any(f"</{tag}>" in text for tag in _TAGS):
        return text.strip()
    if rule == "strip_truncated" and opens and not any(f"</{tag}>" in text for tag in _TAGS):
        return ""
    for tag in _TAGS:
        text = _drop_blocks(text, f"<{tag}>", f"</{tag}>")
    for tag in _TAGS:
        before, closing, after = text.partition(f"</{tag}>")
        text = after if closing else before
    if rule == "outside":
        for tag in _TAGS:
            text = text.partition(f"<{tag}>")[0]
    return text.strip()


def _drop_blocks(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    position = 0
    while (start := text.find(opening, position)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + len(closing)
    return "".join(kept) + text[position:]
