"""MCQA: multiple-choice questions with one right letter (single turn)."""

import functools
import logging
import string
from typing import Any, ClassVar

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.messages import Message
from gym_llm.tasks import HubSplit, RawRow, Row
from gym_llm.verifiers.choice import Choice, GradingMode

logger = logging.getLogger(__name__)


class MCQARow(Row):
    """A question with lettered options; NeMo Gym's rows carry the prompt, bundled rows the question."""

    question: str | None = None
    options: list[dict[str, str | None]] = []
    """Dicts from letter to text, normally one key each."""
    expected_answer: str
    grading_mode: GradingMode | None = None
    template_metadata: dict[str, Any] | None = None

    @pydantic.model_validator(mode="after")
    def _gold_is_an_option(self) -> "MCQARow":
        if not self.letters:
            logger.warning(
                "row %s has no options: only a pattern of its own can find an answer", self.task_id
            )
        elif self.gold not in self.letters:
            raise ValueError(
                f"expected_answer: {self.expected_answer!r} is none of the options {[*self.letters]}"
            )
        return self

    @functools.cached_property
    def letters(self) -> dict[str, str]:
        """Option letter (upper case) to option text."""
        pairs = [(k.upper(), v) for option in self.options for k, v in option.items()]
        return {k: v for k, v in pairs if len(k) == 1 and k.isalpha() and v is not None}

    @functools.cached_property
    def gold(self) -> str:
        """The right letter, upper case."""
        return self.expected_answer.strip().upper()

    @functools.cached_property
    def patterns(self) -> list[str]:
        """The row's own extraction patterns."""
        found = (self.template_metadata or {}).get("output_regex")
        return [found] if isinstance(found, str) else [p for p in found or () if isinstance(p, str)]

    def default_prompt(self) -> list[Message] | None:
        """Return the question, a line for each option, and how to answer."""
        if self.question is None:
            return None
        lines = [f"{letter}: {text}" for letter, text in self.letters.items()]
        how = r"Put the letter of the right option, and nothing else, in \boxed{}."
        return [{"role": "user", "content": "\n".join([self.question.strip(), *lines, "", how])}]


def adapt_choices(raw: RawRow, index: int) -> RawRow:
    """Convert ``question``, ``choices`` (list of texts) and ``answer`` (letter or index) to a row."""
    if "choices" not in raw:
        return raw
    answer = raw.pop("answer")
    letters = string.ascii_uppercase[: len(raw["choices"])]
    gold = letters[answer] if isinstance(answer, int) else answer
    options = [{letter: str(text)} for letter, text in zip(letters, raw.pop("choices"), strict=True)]
    return {**raw, "options": options, "expected_answer": gold}


class MCQAEnv(QuestionEnv):
    r"""Answer a multiple-choice question with one letter.

    ## Description
    Each task is one question with lettered options. The model reasons and names one option.
    ## Observation
    ``str``: the row's prompt; for rows without one, the question, a line ``X: text`` for each option,
    and how to answer.
    ## Action
    ``str``: the assistant's text. The default mode reads the last ``\boxed{}``.
    ## Reward
    1.0 if the extracted letter is ``expected_answer``, else 0.0; ``info["rewards"]`` has ``correct``.
    ``info["verification"].fields``: ``expected_answer``, ``extracted_answer`` (letter or None),
    ``extracted_outside_options``. A row's ``template_metadata.output_regex`` is tried first (last match;
    one second at most), then the grading mode:

    - ``strict_single_letter_boxed``: one capital alone in the last box, or before ``:``, ``)``, ``.`` or
      ``-``;
    - ``lenient_boxed``: else the one option whose text is in the last box;
    - ``lenient_answer_colon``: what follows the first ``answer:``, a letter or an option's text;
    - ``lenient_answer_colon_md``: the last usable ``Answer:``, which may be marked up.

    Differs from NeMo Gym: a pattern with several groups uses the last non-empty one (an error there),
    patterns have a time limit, and rows may ask for ``lenient_answer_colon_md``.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``grading_mode`` (str or
    None): one of the four modes for all rows; None lets each row decide.
    ## Data and licence
    Splits ``train`` and ``validation``: ``nvidia/Nemotron-RL-knowledge-mcqa`` (Apache 2.0). The bundled
    tasks are gym_llm's own (Apache 2.0). Rows with columns ``question``, ``choices`` and ``answer`` are
    converted.
    ## Version history
    - v0: first version.
    """

    row_model = MCQARow
    data = "mcqa"
    splits: ClassVar = {
        "train": HubSplit("nvidia/Nemotron-RL-knowledge-mcqa", split="train"),
        "validation": HubSplit("nvidia/Nemotron-RL-knowledge-mcqa", split="validation"),
    }
    verifier_class = Choice
    adapt = staticmethod(adapt_choices)

    def example_actions(self) -> list[str]:
        """Return each option's letter in a box."""
        return [f"\\boxed{{{letter}}}" for letter in self.episode.task.row.letters]
