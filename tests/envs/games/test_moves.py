"""Reading moves, and boards back from observations."""

import pytest

from gym_llm.envs.games.moves import checked_labels, checked_symbols, shown_board, tagged

LABELS, SYMBOLS = {0: "Left", 1: "Right"}, {0: "_", 1: "#"}


def test_tag_with_two_words_is_no_move() -> None:
    assert list(tagged("<action>up up</action><action>up</action>")) == ["up"]


def test_broken_tag_does_not_hide_the_next() -> None:
    assert list(tagged("<action>up<action>down</action>")) == ["down"]


def test_labels_of_a_row_replace_the_defaults() -> None:
    assert checked_labels({1: "East"}, LABELS) == {0: "Left", 1: "East"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param({7: "Up"}, "expected the numbers", id="unknown-number"),
        pytest.param({1: "go up"}, "one word", id="two-words"),
        pytest.param({1: "1"}, "starts with a letter", id="number"),
        pytest.param({1: "LEFT"}, "same label", id="equal-labels"),
    ],
)
def test_bad_labels(labels: dict[int, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_labels(labels, LABELS)


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        pytest.param({7: "x"}, "expected the numbers", id="unknown-number"),
        pytest.param({1: "ab"}, "single visible", id="two-characters"),
        pytest.param({1: " "}, "single visible", id="blank"),
        pytest.param({1: "_"}, "same symbol", id="equal-symbols"),
    ],
)
def test_bad_symbols(symbols: dict[int, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        checked_symbols(symbols, SYMBOLS)


def test_board_is_read_by_its_legend() -> None:
    observation = "Rules.\n\nBoard:\n.,\n,,\n\nLegend: . empty, , settled.\nAnswer."
    assert shown_board(observation, ("empty", "settled")) == ((0, 1), (1, 1))


def test_text_without_a_board_is_refused() -> None:
    with pytest.raises(ValueError, match="no board"):
        shown_board("Hello", ("empty",))
