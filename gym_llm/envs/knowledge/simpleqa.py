"""SimpleQA: short factual questions, graded correct, incorrect or not attempted by a judge model."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.errors import ConfigError, JudgeError
from gym_llm.estimators import pass_at_k
from gym_llm.extraction import ReasoningRule
from gym_llm.messages import Message, message_text
from gym_llm.scores import Score, by_task, number, task_mean
from gym_llm.tasks import HubSplit, RawRow, Row, Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.judge import (
    Judge,
    check_reasoning_rule,
    fence,
    is_injection_suspect,
    prompt,
    report,
)
from gym_llm.verifiers.verdicts import letter_anywhere, parse_grade

GRADES: Mapping[str, str] = {"A": "correct", "B": "incorrect", "C": "not_attempted"}
JUDGE_PARAMS: Mapping[str, Any] = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 2048}
# What an answer would hold that tries to speak for the judge.
_SUSPECT = ("not_attempted", "a: correct", "grade: a", "grade is a", "verdict: a", "<<<end of")


@functools.cache
def judge_template() -> str:
    """Return the judge's prompt."""
    return (Path(__file__).parent / "data" / "simpleqa_judge.txt").read_text(encoding="utf-8")


class SimpleQARow(Row):
    """A question and its right answer."""

    question: str | None = None
    expected_answer: str

    @pydantic.field_validator("expected_answer")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("must not be empty: there would be nothing to grade against")
        return value

    def default_prompt(self) -> list[Message] | None:
        """Return the question."""
        return None if self.question is None else [{"role": "user", "content": self.question}]

    @property
    def question_text(self) -> str:
        """The question, or else the prompt's last message."""
        return self.question or (message_text(self.messages[-1]) if self.messages else "")


@dataclass(frozen=True)
class SimpleQAGrade:
    """1.0 if the judge grades the answer as correct; 0.0 if as incorrect or not attempted."""

    judge: dict[str, Any] | None = field(default=None, repr=False, hash=False)
    """Fields of `gym_llm.models.Endpoint`; None reads GYM_LLM_JUDGE_* from the environment."""
    grade_parse: Literal["strict", "upstream"] = "strict"
    """``upstream`` reads the grade as NeMo Gym does."""
    strip_reasoning: ReasoningRule = "strip_truncated"
    fence_candidate: bool = True
    """Put marker lines around the texts in the judge's prompt."""

    components = ("correct",)

    def __post_init__(self) -> None:
        if self.grade_parse not in ("strict", "upstream"):
            raise ConfigError(f"grade_parse must be 'strict' or 'upstream', got {self.grade_parse!r}")
        check_reasoning_rule(self.strip_reasoning)
        self.grader  # noqa: B018  a judge that is not configured shows now, not with the first grade

    @functools.cached_property
    def grader(self) -> Judge:
        """The judge."""
        return Judge.from_config(self.judge, JUDGE_PARAMS)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the last turn; JudgeError when the judge has no answer or says nothing."""
        text = episode.text("last", self.strip_reasoning)
        parse = letter_anywhere if self.grade_parse == "upstream" else parse_grade
        evaluation = self.grader.evaluate(
            self._messages(task.row, text), lambda reply: parse(reply, GRADES)
        )
        if not evaluation.reply.text:
            raise JudgeError("the judge's reply is empty")
        verdict = GRADES[evaluation.verdict or "C"]
        return Verification.of(
            "correct",
            verdict == "correct",
            extracted_answer=text,
            expected_answer=task.row.expected_answer,
            verdict=verdict,
            judge_output=evaluation.reply.text,
            **{f"is_{name}": float(name == verdict) for name in GRADES.values()},
            judge_parse_failed=evaluation.verdict is None,
            injection_suspect=is_injection_suspect(text, _SUSPECT),
            **report([evaluation]),
        )

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the share of each grade, accuracy given attempted and F1.

        Accuracy given attempted is correct / (correct + incorrect), 0 when nothing was attempted; F1 is
        the harmonic mean of it and correct (Wei et al. 2024, SimpleQA). ``pass@k/...`` are the same of
        the grades that at least one of k attempts got, k being the rollouts that every task has.
        """
        grades = {name: task_mean(scores, number(f"is_{name}")) or 0.0 for name in GRADES.values()}
        found: dict[str, float | None] = {**grades, **_attempted(grades)}
        groups = by_task(scores)
        k = min(map(len, groups), default=0)
        if k > 1:
            best = {}
            for name in GRADES.values():
                counts = [sum(s.fields.get(f"is_{name}") == 1 for s in group) for group in groups]
                chances = [pass_at_k(len(g), c, k) for g, c in zip(groups, counts, strict=True)]
                best[name] = sum(chances) / len(groups)
            found.update({f"pass@{k}/{n}": v for n, v in {**best, **_attempted(best)}.items()})
        return found

    def _messages(self, row: SimpleQARow, text: str) -> list[Message]:
        texts = {
            "question": row.question_text,
            "expected_answer": row.expected_answer,
            "generation": text,
        }
        if self.fence_candidate:
            labels = {"expected_answer": "gold", "generation": "candidate"}
            texts = {name: fence(labels.get(name, name), value) for name, value in texts.items()}
        return prompt(judge_template(), **texts)


def _attempted(grades: Mapping[str, float]) -> dict[str, float]:
    correct, attempted = grades["correct"], grades["correct"] + grades["incorrect"]
    precision = correct / attempted if attempted else 0.0
    f1 = 2 * precision * correct / (precision + correct) if correct else 0.0
    return {"accuracy_given_attempted": precision, "f1": f1}


def adapt_verified(raw: RawRow, index: int) -> RawRow:
    """Convert a row of SimpleQA-Verified: ``original_index``, ``problem`` and ``answer``."""
    if "problem" not in raw:
        return raw
    row_id = raw.get("original_index", f"simpleqa_{index}")
    return {
        "id": row_id,
        "task_id": str(row_id),
        "question": raw["problem"],
        "expected_answer": raw["answer"],
        "metadata": raw,
    }


class SimpleQAEnv(QuestionEnv):
    """Answer a short factual question; a judge model compares the answer with the right one.

    ## Description
    Each task is one question with one short, undisputed answer. A model may say that it does not know:
    that earns as little as a wrong answer, and is counted apart.
    ## Observation
    ``str``: the question.
    ## Action
    ``str``: the assistant's text. Inline reasoning is removed before the judge sees it.
    ## Reward
    1.0 if the judge's grade is A (correct), 0.0 for B (incorrect) and C (not attempted);
    ``info["rewards"]`` has ``correct``. ``info["verification"].fields``: ``extracted_answer``,
    ``expected_answer``, ``verdict``, ``judge_output``, ``is_correct``, ``is_incorrect``,
    ``is_not_attempted``, ``judge_parse_failed``, ``injection_suspect``, and what every judge
    environment reports: ``judge_calls``, ``judge_verdicts``, ``judge_tokens``, ``judge_evaluations``.
    A reply in which no grade can be read counts as C. A judge that does not answer, or answers nothing,
    gives no grade: the rollout is masked.

    Differs from NeMo Gym: the grade is read as a letter or as a word (there "CORRECT" counts as C and
    "NOT ATTEMPTED" as A; ``grade_parse="upstream"`` reads so too), inline reasoning of answer and reply
    is removed, and marker lines keep the answer apart from the judge's instructions.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``judge`` (dict): fields of
    `gym_llm.models.Endpoint`; without it the environment variables ``GYM_LLM_JUDGE_BASE_URL``,
    ``GYM_LLM_JUDGE_MODEL`` and ``GYM_LLM_JUDGE_API_KEY``; with neither, ConfigError. ``grade_parse``
    (``"strict"`` or ``"upstream"``), ``strip_reasoning`` (a rule of `gym_llm.extraction`),
    ``fence_candidate`` (bool).
    ## Data and licence
    Split ``test``: ``codelion/SimpleQA-Verified`` (MIT). The bundled tasks are gym_llm's own
    (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = SimpleQARow
    data = "simpleqa"
    splits: ClassVar = {"test": HubSplit("codelion/SimpleQA-Verified", split="train")}
    verifier_class = SimpleQAGrade
    adapt = staticmethod(adapt_verified)

    def example_actions(self) -> list[str]:
        """Return the right answer, a wrong one and a refusal."""
        return [self.episode.task.row.expected_answer, "Probably 17.", "I do not know."]
