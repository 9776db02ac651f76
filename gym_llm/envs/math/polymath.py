r"""PolyMath: mathematics in 18 languages at four levels of difficulty (single turn)."""

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import pydantic

from gym_llm.envs.math.math_with_judge import MathEnv, MathRow
from gym_llm.estimators import majority_at, pass_at_k
from gym_llm.messages import Message
from gym_llm.scores import Score, by_task, mean_by, number
from gym_llm.tasks import HubSplit, RawRow, Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.math import MathVerifier

Difficulty = Literal["low", "medium", "high", "top"]
LanguageControl = Literal["forcing_raw", "forcing_en", "forcing_prefer"]

WEIGHTS: dict[str, float] = {"low": 1.0, "medium": 2.0, "high": 4.0, "top": 8.0}
"""Weight of a task in the difficulty-weighted metrics."""
_COMMA_LANGUAGES = frozenset(("de", "es", "fr", "id", "it", "pt", "ru", "vi"))
# An ASCII comma, alone or in braces as LaTeX sets it, between digits that touch it.
_DECIMAL_COMMA = re.compile(r"(?<![\d,])(\d+)(?:,|\{,\})(\d+)(?![\d,])")


PROMPTS: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "data" / "polymath_prompts.json").read_text(encoding="utf-8")
)
"""For each language how to answer, and a sentence for each mode of language control."""


class PolyMathRow(MathRow):
    """A problem with its language and difficulty."""

    language: str | None = None
    difficulty: Difficulty | None = None
    weight: float | None = None
    """By default that of the difficulty."""
    language_control_mode: LanguageControl | None = None
    """The language in which the prompt asks to think: the question's, English, or the model's choice."""

    @pydantic.model_validator(mode="after")
    def _has_a_weight(self) -> "PolyMathRow":
        if self.weight is None and self.difficulty is not None:
            self.weight = WEIGHTS[self.difficulty]
        return self

    def default_prompt(self) -> list[Message] | None:
        """Return the question, a blank line, and how to answer, in the question's language."""
        if self.question is None:
            return None
        words = PROMPTS.get(self.language or "en")
        if words is None:
            raise ValueError(f"language: expected one of {[*PROMPTS]}, got {self.language!r}")
        control = self.language_control_mode
        lines = [self.question.strip(), "", words["how"], *([words[control]] if control else [])]
        return [{"role": "user", "content": "\n".join(lines)}]


def adapt_columns(raw: RawRow, index: int) -> RawRow:
    """Convert ``id`` (such as ``top-en-7``), ``question`` and ``answer`` of the public data set."""
    if "answer" not in raw:
        return raw
    difficulty, language, _ = raw["id"].split("-")
    return {
        "task_id": raw["id"],
        "question": raw["question"],
        "expected_answer": raw["answer"],
        "language": language,
        "difficulty": difficulty,
    }


@dataclass(frozen=True)
class PolyMathVerifier(MathVerifier):
    """`MathVerifier`, which also reports weight and language and may read decimal commas."""

    decimal_comma: bool = False
    """In languages that write ``3,5`` for 3.5, read it so; by default it is the set of 3 and 5."""

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text that counts; see `MathVerifier`."""
        graded = super().__call__(task, episode)
        row = {"weight": task.row.weight, "language": task.row.language}
        return dataclasses.replace(graded, fields={**graded.fields, **row})

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return those of `MathVerifier`, weighted by difficulty too, and both for each language.

        k is the rollouts that every task has.
        """
        groups = by_task(scores)
        k = min(map(len, groups), default=0)
        languages: dict[str, list[list[Score]]] = {}
        for group in groups:
            if language := group[0].fields.get("language"):
                languages.setdefault(language, []).append(group)
        found = {
            **MathVerifier.metrics(scores),
            "weighted_accuracy": weighted(groups, _accuracy),
            **mean_by(scores, ["language"], "symbolic_accuracy", number("library_reward")),
        }
        for language, own in sorted(languages.items()):
            found[f"weighted_accuracy/language={language}"] = weighted(own, _accuracy)
        if k > 1:
            found[f"pass@{k}/weighted"] = weighted(
                groups, lambda g: pass_at_k(len(g), sum(_right(g)), k)
            )
            found[f"majority@{k}/weighted"] = weighted(
                groups, lambda g: majority_at([s.answer for s in g], _right(g))[k - 1]
            )
        return found

    def response(self, task: Task, episode: Episode) -> str:
        """Return the text that is graded."""
        text = super().response(task, episode)
        if self.decimal_comma and task.row.language in _COMMA_LANGUAGES:
            return _DECIMAL_COMMA.sub(r"\1.\2", text)
        return text


def weighted(
    groups: Sequence[Sequence[Score]], value: Callable[[Sequence[Score]], float]
) -> float | None:
    """Return the mean over tasks, each with the weight of its difficulty; 1 where the row has none."""
    weights = [float(group[0].fields.get("weight") or 1.0) for group in groups]
    total = sum(w * value(group) for w, group in zip(weights, groups, strict=True))
    return total / sum(weights) if weights else None


def _right(group: Sequence[Score]) -> list[int]:
    return [int(score.fields.get("library_reward") == 1) for score in group]


def _accuracy(group: Sequence[Score]) -> float:
    return sum(_right(group)) / len(group)


class PolyMathEnv(MathEnv):
    r"""Solve a mathematics problem in one of 18 languages; the boxed answer is compared symbolically.

    ## Description
    Each task is one problem in Arabic, Bengali, Chinese, English, French, German, Indonesian, Italian,
    Japanese, Korean, Malay, Portuguese, Russian, Spanish, Swahili, Telugu, Thai or Vietnamese, of low,
    medium, high or top difficulty. The same problems are asked in every language.
    ## Observation
    ``str``: the row's prompt; for rows without one, the question and, in its language, how to answer.
    ## Action
    ``str``: the assistant's text.
    ## Reward
    That of `MathDAPO17kEnv`: 1.0 if math-verify finds the answer equal to ``expected_answer``, else 0.0;
    ``info["rewards"]`` has ``correct``. ``info["verification"].fields`` also has ``weight`` (1, 2, 4 or
    8 by difficulty) and ``language``.

    Differs from NeMo Gym as `MathDAPO17kEnv` does. The prompts for the public data set are gym_llm's
    own: NeMo Gym runs code from the authors' repository to get theirs.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    Those of `MathDAPO17kEnv`. ``normalize_digits`` (bool, default False; recommended for training): read
    digits of all scripts and full-width signs; otherwise an answer in Arabic digits is never right.
    ``decimal_comma`` (bool, default False): read ``3,5`` as 3.5 in languages that write it so.
    A row's ``language_control_mode`` adds a sentence about the language to think in:
    ``forcing_raw`` (the question's), ``forcing_en`` or ``forcing_prefer`` (the model's choice).
    ## Data and licence
    ``Qwen/PolyMath`` (Apache 2.0): split ``test`` is all of it (9000 problems); ``de-low`` and the like
    (language, difficulty) have 125. The bundled tasks are gym_llm's own (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = PolyMathRow
    data = "polymath"
    splits: ClassVar = {
        "test": HubSplit("parquet", data_files="hf://datasets/Qwen/PolyMath/*/*.parquet"),
        **{
            f"{language}-{level}": HubSplit("Qwen/PolyMath", language, level)
            for language in PROMPTS
            for level in WEIGHTS
        },
    }
    verifier_class = PolyMathVerifier
    adapt = staticmethod(adapt_columns)
