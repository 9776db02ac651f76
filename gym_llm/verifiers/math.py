r"""Mathematical answers, compared symbolically.

The rules are those of NeMo Gym's ``math_with_judge`` server: the library math-verify finds the answer in
the response and compares it with the gold one. It runs in a warm worker process, because it can hang
and because its own time limits need a main thread.
"""

import functools
import importlib.metadata
import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from gym_llm.errors import ConfigError
from gym_llm.extraction import TextRule
from gym_llm.scores import Score, number, task_mean
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.equivalence import EqualityJudge, LabelRule
from gym_llm.verifiers.judge import Evaluation, Judge, report
from gym_llm.verifiers.math_judge import math_equality, without_labels
from gym_llm.verifiers.warm_worker import CallError, WarmPool

_FULL_WIDTH_SIGNS = {
    code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F) if not chr(code - 0xFEE0).isalnum()
}


def boxed_gold(answer: str) -> str:
    r"""Return a gold answer in a box, without the delimiters of inline LaTeX.

    >>> boxed_gold(r"\( \frac{1}{2} \)"), boxed_gold("$x$")
    ('\\boxed{\\frac{1}{2}}', '\\boxed{x}')
    """
    answer = answer.strip()
    if answer.startswith(r"\(") and answer.endswith(r"\)"):
        answer = answer[2:-2].strip()
    if len(answer) > 1 and answer.startswith("$") and answer.endswith("$"):
        answer = answer[1:-1].strip()
    return rf"\boxed{{{answer}}}"


def ascii_digits(text: str) -> str:
    """Replace decimal digits of any script, and full-width signs, by their ASCII forms.

    >>> ascii_digits("\u0663\u0664 \uff0b \u09ef")
    '34 + 9'
    """
    if text.isascii():
        return text
    digits = re.sub(r"(?![0-9])\d", lambda m: str(unicodedata.decimal(m.group())), text)
    return digits.translate(_FULL_WIDTH_SIGNS)


@dataclass(frozen=True)
class LibraryResult:
    """What math-verify says about a response."""

    reward: float
    extracted: str | None


def compare(
    gold: str, response: str, limit_s: float = 10.0, max_concurrency: int | None = None
) -> LibraryResult:
    """Compare a response with a gold answer by math-verify, in a worker process.

    Args:
        gold: the gold answer, with or without LaTeX delimiters.
        response: any text.
        limit_s: wall-clock seconds, half of which a single comparison may take; a check that hangs,
            crashes or fails gives 0.0 and no answer.
        max_concurrency: most workers of this process; never more than cores.

    Raises:
        WorkerError: no worker can be started.
    """
    cores = os.cpu_count() or 1
    pool = _pool(min(max_concurrency or cores, cores))
    try:
        found = pool.call([boxed_gold(gold), response, limit_s], limit_s)
    except CallError:
        return LibraryResult(0.0, None)
    return LibraryResult(float(found["reward"]), found["extracted"])


@functools.cache
def _pool(workers: int) -> WarmPool:
    return WarmPool("gym_llm.verifiers.math_check:check", workers)


@functools.cache
def library_version() -> str:
    """Return the version of math-verify: other versions give other rewards."""
    return importlib.metadata.version("math-verify")


@dataclass(frozen=True)
class MathVerifier:
    r"""1.0 if the response's answer equals the row's ``expected_answer``; else 0.0.

    math-verify decides; with ``should_use_judge`` a judge model has the last word on what it rejects.
    The task's row has ``expected_answer`` and ``question_text``, as
    `gym_llm.envs.math.math_with_judge.MathRow` does.
    """

    strip_reasoning: bool = True
    """Leave out ``<think>`` blocks; an unclosed ``<think>`` leaves nothing after it."""
    grade: Literal["last", "all"] = "last"
    """The last turn that has text, or all turns joined with line breaks."""
    normalize_digits: bool = False
    """Read decimal digits of every script, and full-width signs, as ASCII."""
    library_verifier_timeout_seconds: float = 10.0
    """Of this the library may take half for a single comparison. On slow machines more time finds more
    equalities of long expressions."""
    library_verifier_max_concurrency: int = 32
    """Most checks at a time in this process; never more than cores."""
    should_use_judge: bool = False
    judge: dict[str, Any] | None = field(default=None, repr=False, hash=False)
    """Fields of `gym_llm.models.Endpoint`; None reads GYM_LLM_JUDGE_* from the environment."""
    judge_label: LabelRule = "first"
    """Which label of the judge's reply counts."""

    components = ("correct",)

    def __post_init__(self) -> None:
        for name, choices in (("grade", ("last", "all")), ("judge_label", get_args(LabelRule))):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {choices}, got {getattr(self, name)!r}")
        for name in ("library_verifier_timeout_seconds", "library_verifier_max_concurrency"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if self.should_use_judge:
            self.math_judge  # noqa: B018  one that is not configured shows now

    @functools.cached_property
    def math_judge(self) -> EqualityJudge:
        """The judge that the configuration describes."""
        return math_equality(Judge.from_config(self.judge), self.judge_label)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text that counts.

        Raises:
            WorkerError: no worker for the library can be started. JudgeError: the judge has no answer.
        """
        gold = task.row.expected_answer
        text = self.response(task, episode)
        library = compare(
            ascii_digits(gold) if self.normalize_digits else gold,
            text,
            self.library_verifier_timeout_seconds,
            self.library_verifier_max_concurrency,
        )
        reward = library.reward
        judged: list[Evaluation] | None = None
        if self.should_use_judge and reward <= 0.5:
            candidate = without_labels(library.extracted or text)
            judged = self.math_judge.ask_twice(task.row.question_text, gold, candidate)
            reward = float(self.math_judge.is_equal(judged[-1]))
        return Verification.of(
            "correct",
            reward,
            expected_answer=gold,
            extracted_answer=library.extracted,
            library_reward=library.reward,
            math_verify_version=library_version(),
            **({"judge_evaluations": None} if judged is None else report(judged)),
        )

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the accuracy by math-verify alone, and that of the judge where it was asked."""
        judged = [score for score in scores if "judge_calls" in score.fields]
        return {
            "symbolic_accuracy": task_mean(scores, number("library_reward")),
            "judge_accuracy": task_mean(judged),
            "judged": len(judged) / len(scores) if judged else None,
        }

    def response(self, task: Task, episode: Episode) -> str:
        """Return the text that is graded."""
        rule: TextRule = "last" if self.grade == "last" else "all_lines"
        text = episode.text(rule, "outside" if self.strip_reasoning else "none")
        return ascii_digits(text) if self.normalize_digits else text
