"""Text of models and rows, made safe to look at."""

import json
import re
from typing import Any

from gym_llm.messages import Message, message_text

# Control characters but tab and line feed; soft hyphens, zero-width spaces and direction controls, which
# hide or reorder what is there; lone surrogates, which no terminal takes; invisible tag characters.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Return the text with every character that would act on the screen, or hide there, spelled out.

    >>> visible("\x1b[31mred\x07, \u202eback")
    '⟨U+001B⟩[31mred⟨U+0007⟩, ⟨U+202E⟩back'
    """
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def text_of(message: Message) -> str:
    """Return the text of a message, whatever shape its content has."""
    content = message.get("content")
    if isinstance(content, list) and not all(isinstance(part, dict) for part in content):
        return json.dumps(content, default=str)
    return message_text(message)


def pretty(value: Any, max_chars: int) -> str:
    """Return a value as indented JSON, cut after ``max_chars`` characters with a note of how many."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    left_out = len(text) - max_chars
    return text if left_out <= 0 else f"{text[:max_chars]}\n... and {left_out:,} more characters"
