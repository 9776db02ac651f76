"""Moves in a player's text: ``<action>`` tags outside thinking, and the names that tags may hold."""

import re
from collections.abc import Iterator, Mapping, Sequence

from gym_llm.extraction import strip_reasoning

# [^\s<]* stops at the next tag, so hostile input stays linear.
_TAG = re.compile(r"<action>\s*([^\s<]+)\s*</action>", re.IGNORECASE)


def spoken(content: str) -> str:
    """Return the text in which moves count: thoughts never do.

    Differs from NeMo Gym, where a tag inside ``<think>`` is played.
    """
    return strip_reasoning(content, "outside")


def tagged(text: str) -> Iterator[str]:
    """Yield the one-word contents of ``<action>`` tags in lower case, in order.

    >>> list(tagged("<action>Up</action> or <ACTION> 3 </ACTION>, not <action>go left</action>"))
    ['up', '3']
    """
    return (match[1].lower() for match in _TAG.finditer(text))


def tag(label: str) -> str:
    """Return the action that plays one move."""
    return f"<action>{label}</action>"


def spelled(labels: Mapping[int, str]) -> dict[str, int]:
    """Return every way to write a move, its label in lower case and its number, with the number."""
    return {label.lower(): n for n, label in labels.items()} | {str(n): n for n in labels}


def checked_labels(given: Mapping[int, str] | None, default: Mapping[int, str]) -> dict[int, str]:
    """Return the default labels with a row's own put over them.

    Raises:
        ValueError: an unknown number, a label that a tag cannot hold, or two equal labels.
    """
    labels = {**default, **(given or {})}
    if len(labels) > len(default):
        raise ValueError(f"action_lookup: expected the numbers {[*default]}, got {[*(given or ())]}")
    for label in labels.values():
        if not re.fullmatch(r"[^\s<\d][^\s<]{0,29}", label):
            raise ValueError(
                f"action_lookup: expected one word that starts with a letter, got {label!r}"
            )
    if len({label.lower() for label in labels.values()}) < len(labels):
        raise ValueError(f"action_lookup: two moves have the same label: {[*labels.values()]}")
    return labels


def checked_symbols(given: Mapping[int, str] | None, default: Mapping[int, str]) -> dict[int, str]:
    """Return the default symbols of a board with a row's own put over them.

    Raises:
        ValueError: an unknown number, a symbol that is not one visible character, or two equal symbols.
    """
    symbols = {**default, **(given or {})}
    if len(symbols) > len(default):
        raise ValueError(f"grid_lookup: expected the numbers {[*default]}, got {[*(given or ())]}")
    if any(len(s) != 1 or s.isspace() or not s.isprintable() for s in symbols.values()):
        raise ValueError(f"grid_lookup: expected single visible characters, got {[*symbols.values()]}")
    if len(set(symbols.values())) < len(symbols):
        raise ValueError(f"grid_lookup: two codes have the same symbol: {[*symbols.values()]}")
    return symbols


def shown_board(observation: str, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Read a board back from an observation, by its legend; for agents that play by rules.

    Args:
        observation: text with a paragraph that starts with ``Board:`` and a line ``Legend: ...``.
        names: what the legend calls the codes 0, 1, 2, ...

    Raises:
        ValueError: no board or no legend.
    """
    legend = re.search(r"^Legend: (.*)\.$", observation, re.MULTILINE)
    board = re.search(r"^Board:\n((?:\S+\n)+)", observation, re.MULTILINE)
    if legend is None or board is None:
        raise ValueError("the observation has no board with a legend")
    # ", " separates the entries, and a symbol may itself be a comma.
    entries = re.findall(r"(\S) ([a-z ]+)(?:, |$)", legend[1])
    codes = {symbol: names.index(name) for symbol, name in entries if name in names}
    if unknown := set(board[1]) - {"\n", *codes}:
        raise ValueError(f"the legend lacks {min(unknown)!r}")
    return tuple(tuple(codes[symbol] for symbol in line) for line in board[1].splitlines())


def shown_moves(observation: str) -> list[str]:
    """Return the actions that the last line of an observation offers, in order."""
    return re.findall(r"<action>[^\s<]+</action>", observation.rpartition("\n")[2])
