r"""Reading ``\boxed{...}`` from text; every function is linear in the text."""

import re

OPEN_BOX = r"\boxed{"
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
