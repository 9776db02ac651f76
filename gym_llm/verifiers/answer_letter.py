r"""Option letters as GPQA's prompts ask for them: in the last ``\boxed{}``, else after ``Answer:``.

The rules are those of NeMo Gym's ``gpqa_diamond`` server; `gym_llm.verifiers.choice` has those of
``mcqa``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gym_llm.scores import Score, mean_by
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.boxed import short_boxes
from gym_llm.verifiers.choice import letter_by_pattern

_CAPITAL = re.compile(r"\b[A-Z]\b")
_LETTER = r"([A-Za-z])(?![A-Za-z0-9])"
# Two markers at most between the colon and the letter, then only blanks.
_ANSWER = re.compile(rf"(?i:answer)[*_]{{0,2}}\s*:[\s*_]{{0,2}}\s*{_LETTER}")
_ANSWER_ANY_MARKERS = re.compile(rf"(?i:answer)[*_]*\s*:[\s*_]*{_LETTER}")


def boxed_letter(text: str) -> str | None:
    r"""Return the capital in the last ``\boxed{}``, which ends at the first closing brace.

    >>> boxed_letter(r"\boxed{A}, no: \boxed{\text{C}}")
    'C'
    """
    boxes = short_boxes(text)
    if not boxes:
        return None
    content = boxes[-1].strip()
    if len(content) == 1 and content.isupper():
        return content
    capitals = _CAPITAL.findall(content)
    return capitals[-1] if capitals else None


def answer_letter(text: str, any_markers: bool = False) -> str | None:
    """Return the letter after the last ``Answer:`` that has one, upper case.

    >>> answer_letter("**Answer:** c")
    'C'
    """
    letters = (_ANSWER_ANY_MARKERS if any_markers else _ANSWER).findall(text)
    return letters[-1].upper() if letters else None


@dataclass(frozen=True)
class AnswerLetter:
    r"""1.0 if the letter in the last box, else after the last ``Answer:``, is the row's gold; else 0.0.

    A row's own ``template_metadata.output_regex`` comes first. A letter that is no option counts as
    none, and the other format is not tried. The task's row is a `gym_llm.envs.knowledge.mcqa.MCQARow`.
    """

    any_markers: bool = False
    """Allow any number of ``*`` and ``_`` around the colon, as in ``_Answer_ : **B**``."""

    components = ("correct",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text of the whole episode."""
        row = task.row
        text = episode.text("all_lines")
        letter = next((x for p in row.patterns if (x := letter_by_pattern(p, text, row.letters))), None)
        if letter is None:
            letter = boxed_letter(text) or answer_letter(text, self.any_markers)
            letter = letter if not row.letters or letter in row.letters else None
        correct = bool(row.gold) and letter == row.gold
        return Verification.of("correct", correct, expected_answer=row.gold, extracted_answer=letter)

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the mean reward by subject and by difficulty, where the rows name them."""
        return {**mean_by(scores, ["metadata.subset_for_metrics", "metadata.difficulty"])}
