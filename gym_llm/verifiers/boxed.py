r"""Reading ``\boxed{...}`` from text; every function is linear in the text."""

import re
from typing import Literal

OPEN_BOX = r"\boxed{"
MAX_DIGITS = 9
_INTEGER_BOX = re.compile(r"\\boxed\{(\d+)\}")
_TEXT_LAYER = re.compile(r"\\text\s*\{")


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last ``\boxed{``, braces balanced; None when it is not closed.

    >>> last_boxed(r"\boxed{1} or \boxed{\frac{1}{2}}")
    '\\frac{1}{2}'
    """
    start = text.rfind(OPEN_BOX)
    if start < 0:
        return None
    start += len(OPEN_BOX)
    end = closing_brace(text, start)
    return None if end is None else text[start:end]


def closing_brace(text: str, start: int) -> int | None:
    """Return the index of the brace that closes the one before ``start``; None when there is none."""
    depth = 1
    for brace in re.finditer(r"[{}]", text[start:]):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return start + brace.start()
    return None


def peel_text(content: str) -> str:
    r"""Strip blanks and every ``\text{...}`` layer that encloses the whole content."""
    content = content.strip()
    while (layer := _TEXT_LAYER.match(content)) and closing_brace(content, layer.end()) == len(
        content
    ) - 1:
        content = content[layer.end() : -1].strip()
    return content


def short_boxes(text: str) -> list[str]:
    r"""Return the contents of all ``\boxed{``, each up to the first closing brace, unbalanced or not.

    >>> short_boxes(r"\boxed{\text{C}} \boxed{D}")
    ['\\text{C', 'D']
    """
    found: list[str] = []
    position = 0
    while (start := text.find(OPEN_BOX, position)) >= 0:
        start += len(OPEN_BOX)
        end = text.find("}", start)
        if end < 0:
            break
        found.append(text[start:end])
        position = end + 1
    return found


def boxed_integer(text: str, which: Literal["first", "last"] = "first") -> int | None:
    r"""Return the first or last box that holds nothing but decimal digits, as a number.

    None without such a box, and when the box has more than ``MAX_DIGITS`` digits.

    >>> boxed_integer(r"\boxed{two} \boxed{02} \boxed{3}")
    2
    """
    boxes = _INTEGER_BOX.findall(text)
    digits = boxes[0 if which == "first" else -1] if boxes else ""
    return int(digits) if 0 < len(digits) <= MAX_DIGITS else None
