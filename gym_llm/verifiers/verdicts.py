"""Reading verdicts from a judge's reply: small pure functions, linear in the text, that never raise.

The reply's reasoning is removed before (see `gym_llm.verifiers.judge.JudgeReply`). None means that the
reply holds no verdict, or contradicts itself.
"""

import functools
import re
from collections.abc import Iterable, Mapping

Grades = Mapping[str, str]
"""Capital letter to the name of the grade, such as ``{"A": "correct", "C": "not_attempted"}``."""

# Underscores too: "NOT_ATTEMPTED" and "not attempted" are one name.
_MARKUP = str.maketrans(dict.fromkeys("*_`\"'\u201c\u201d\u2018\u2019()[]{}<>#", " "))
_DASH = "[-\u2013\u2014]"
_ARTICLE = re.compile(r"(^|[.!?:\n*-]\s{0,3})A(?=\s{1,3}[a-z])")


def first_label(text: str, labels: Iterable[str]) -> str | None:
    """Return the label that occurs first; upper and lower case differ.

    >>> first_label("so [[A!=B]], not [[A=B]]", ["[[A=B]]", "[[A!=B]]"])
    '[[A!=B]]'
    """
    found = [(position, label) for label in labels if (position := text.find(label)) >= 0]
    return min(found)[1] if found else None


def letter_anywhere(text: str, grades: Grades) -> str | None:
    """Return the first character of the text or of its last line, else the first letter contained.

    So NeMo Gym's ``simpleqa`` reads a grade; words count as letters there: "CORRECT" holds a C.
    """
    text = text.strip()
    for start in (text[:1], text.rpartition("\n")[2].strip()[:1]):
        if start in grades:
            return start
    return next((letter for letter in grades if letter in text), None)


def parse_grade(text: str, grades: Grades) -> str | None:
    r"""Return the letter of the grade that a judge gives by letter (a capital) or by name (any case).

    In this order: the whole text or its last line is a grade; the last or the first line has the form
    ``B: INCORRECT`` or ``grade: B``; exactly one of the letters stands alone anywhere, a sentence's "A
    ..." aside.

    >>> parse_grade("The dates differ.\nB: INCORRECT", {"A": "correct", "B": "incorrect"})
    'B'
    >>> parse_grade("CORRECT", {"A": "correct", "B": "incorrect"})
    'A'
    """
    lines = [_plain(line) for line in text.split("\n") if line.strip()]
    if not lines:
        return None
    forms = _forms(tuple(grades.items()))
    for whole in (_plain(text), lines[-1]):
        if letter := forms.letter(whole):
            return letter
    claims = forms.claims(lines[-1]) or forms.claims(lines[0]) or forms.lone_letters(text)
    return claims.pop() if len(claims) == 1 else None


def _plain(line: str) -> str:
    return " ".join(line.translate(_MARKUP).split()).rstrip(" .!")


class _Forms:
    """The ways in which a judge may write one of the grades."""

    def __init__(self, grades: Grades) -> None:
        self.letters = set(grades)
        self.names = {name.replace("_", " "): letter for letter, name in grades.items()}
        if "incorrect" in self.names:
            self.names["not correct"] = self.names["incorrect"]
        letters = "".join(sorted(self.letters))
        # Longer names first: "correct" is the end of "not correct".
        names = "|".join(sorted(map(re.escape, self.names), key=len, reverse=True))
        name = rf"(?i:{names})\b"
        grade = rf"(?:[{letters}]\b|{name})"
        pair = rf"({grade})(?:(?:\s?[:=,]|\s{_DASH})?\s?({grade}))?"
        claim = (
            r"(?:[:=]|\b(?i:graded?|verdict|rating|judgment|judgement|label)(?:\s(?:is|as|of))?\b)\s?"
        )
        self._start = re.compile(rf"{pair}(?:\s?[:=]|\s{_DASH}|$|(?<=[a-zA-Z]{{3}})[.,;])")
        self._end = re.compile(rf"{claim}{pair}$")
        self._letter = re.compile(rf"(?<!\w)[{letters}](?![\w'\u2019])")

    def letter(self, text: str) -> str | None:
        """Return the letter of a text that is a grade and nothing else."""
        return text if text in self.letters else self.names.get(text.lower())

    def claims(self, line: str) -> set[str]:
        """Return the letters of the grades that a line gives at its start or end."""
        matches = (self._start.match(line), self._end.search(line))
        found = (self.letter(grade) for match in matches if match for grade in match.groups() if grade)
        return {letter for letter in found if letter}

    def lone_letters(self, text: str) -> set[str]:
        """Return the letters that stand alone somewhere in the text."""
        return set(self._letter.findall(_ARTICLE.sub(r"\1", text)))


@functools.lru_cache(maxsize=64)
def _forms(grades: tuple[tuple[str, str], ...]) -> _Forms:
    return _Forms(dict(grades))
