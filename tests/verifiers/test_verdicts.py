"""Verdict parsers."""

import time

import pytest

from gym_llm.verifiers.verdicts import first_label, letter_anywhere, parse_grade

GRADES = {"A": "correct", "B": "incorrect", "C": "not_attempted"}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        pytest.param("[[A!=B]] ... [[A=B]]", "[[A!=B]]", id="first-wins"),
        pytest.param("equal: [[A=B]]", "[[A=B]]", id="anywhere"),
        pytest.param("[[a=b]]", None, id="case-counts"),
        pytest.param("", None, id="none"),
    ],
)
def test_first_label(text: str, label: str | None) -> None:
    assert first_label(text, ("[[A=B]]", "[[A!=B]]")) == label


def test_label_that_contains_the_other_is_read_whole() -> None:
    assert first_label("INCORRECT", ("CORRECT", "INCORRECT")) == "INCORRECT"


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        pytest.param("B", "B", id="letter"),
        pytest.param("(B)", "B", id="brackets"),
        pytest.param("**B.**", "B", id="markup"),
        pytest.param("b", None, id="small-letter"),
        pytest.param("correct", "A", id="word"),
        pytest.param("INCORRECT", "B", id="word-that-holds-a-letter"),
        pytest.param("Not correct.", "B", id="negated-word"),
        pytest.param("NOT_ATTEMPTED", "C", id="underscore"),
        pytest.param("NOT ATTEMPTED", "C", id="blank"),
        pytest.param("The dates differ.\n\nB", "B", id="last-line"),
        pytest.param("A: CORRECT", "A", id="letter-and-word"),
        pytest.param("(B) INCORRECT", "B", id="letter-beside-word"),
        pytest.param("Grade\nB: INCORRECT", "B", id="letter-and-word-in-the-last-line"),
        pytest.param("B\n\nThe candidate says 41, A would need 42.", "B", id="first-line"),
        pytest.param("As the answer is wrong: B", "B", id="end-of-the-line"),
        pytest.param("Compared with A and C, the grade is B.", "B", id="grade-is"),
        pytest.param("Verdict: not correct", "B", id="verdict-word"),
        pytest.param("Final grade: **A - CORRECT**", "A", id="pair-after-colon"),
        pytest.param("Incorrect, since 5 is not 6", "B", id="word-and-comma"),
        pytest.param("I would go for C here", "C", id="lone-letter"),
        pytest.param("A plain refusal, so C it is", "C", id="article-is-no-letter"),
        pytest.param("A plain refusal", None, id="article-alone"),
        pytest.param("Either B or C", None, id="two-letters"),
        pytest.param("A: INCORRECT", None, id="letter-against-word"),
        pytest.param("The answer is not correct, I think", None, id="prose"),
        pytest.param("?", None, id="nothing"),
        pytest.param("", None, id="empty"),
    ],
)
def test_grade_by_letter_or_word(text: str, letter: str | None) -> None:
    assert parse_grade(text, GRADES) == letter


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        pytest.param("A: CORRECT", "A", id="first-character"),
        pytest.param("Grade\nB: INCORRECT", "B", id="last-line"),
        pytest.param("(B)", "B", id="anywhere"),
        pytest.param("CORRECT", "C", id="word-read-as-letter"),
        pytest.param("NOT ATTEMPTED", "A", id="refusal-read-as-correct"),
        pytest.param("As the answer is wrong: B", "A", id="word-at-the-start"),
        pytest.param("?", None, id="nothing"),
    ],
)
def test_grade_as_upstream_reads_it(text: str, letter: str | None) -> None:
    assert letter_anywhere(text, GRADES) == letter


@pytest.mark.parametrize("part", ["A ", "\n", ": ", "grade is ", "not ", "*", "A: ", "correct, "])
def test_a_megabyte_is_read_in_bounded_time(part: str) -> None:
    started = time.monotonic()
    parse_grade(part * (1_000_000 // len(part)) + "x", GRADES)
    assert time.monotonic() - started < 10  # a bound against quadratic time, not a measurement
