"""What an environment says about its own metrics: the pass mark, the answer's field, extra metrics.

All of it is optional and read from the classes behind an id, so third-party environments have it too:

- ``answer_field``, a class attribute of the verifier (or of the environment): the name of the field that
  holds the model's answer, for majority@k;
- ``metrics(scores)``, a static method of the verifier or of the environment: metrics of their own.
"""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gym_llm.errors import UnknownNameError
from gym_llm.registration import find
from gym_llm.rollouts.records import Rollout
from gym_llm.scores import Score

logger = logging.getLogger(__name__)

ANSWER_FIELDS = ("extracted_answer", "extracted")
"""Where an answer is looked for when the verifier names no field; the first one that is there counts."""

MAX_TEXT_CHARS = 128
"""A longer answer is replaced by its digest; a longer text of a field is not kept."""

TOLERANCE = 1e-9
"""Rewards are sums of floats: this little below the threshold still passes."""

Hook = Callable[[Sequence[Score]], Mapping[str, float | None]]


@dataclass(frozen=True)
class EnvRules:
    """How the rollouts of one environment are scored."""

    threshold: float
    """The reward that is a pass."""
    is_given: bool = False
    """Whether the user gave the threshold: then it decides, and not the ``success`` field."""
    answer_fields: tuple[str, ...] = ANSWER_FIELDS
    hooks: tuple[Hook, ...] = ()

    @classmethod
    def of(cls, env_id: str, threshold: float | None = None) -> "EnvRules":
        """Return the rules of an id; for one that is not registered, those of rewards from 0 to 1."""
        try:
            info = find(env_id)
        except UnknownNameError:
            return cls(1.0 if threshold is None else threshold, threshold is not None)
        maximum = info.reward_range[1]
        try:
            env_class = info.load()
        except Exception as error:  # its metrics are an extra: those that all have still count
            logger.warning("%s cannot be loaded, its own metrics are left out: %s", env_id, error)
            owners: list[Any] = []
        else:
            owners = [o for o in (getattr(env_class, "verifier_class", None), env_class) if o]
        names = [name for owner in owners if (name := getattr(owner, "answer_field", None))]
        hooks = [hook for owner in owners if callable(hook := getattr(owner, "metrics", None))]
        return cls(
            maximum if threshold is None else threshold,
            threshold is not None,
            tuple(names[:1]) or ANSWER_FIELDS,
            tuple(hooks),
        )

    def is_pass(self, rollout: Rollout) -> bool:
        """Return whether a rollout is a pass.

        The threshold decides if the user gave one; else the verifier's ``success`` field, if that is a
        boolean; else the reward must reach the most that can be earned.
        """
        success = rollout.fields.get("success")
        if isinstance(success, bool) and not self.is_given:
            return success
        return rollout.reward >= self.threshold - TOLERANCE

    def answer(self, rollout: Rollout) -> tuple[bool, str | None]:
        """Return whether the verifier reports an answer at all, and the answer: None for none given."""
        fields = rollout.fields
        name = next((name for name in self.answer_fields if name in fields), None)
        return (False, None) if name is None else (True, answer_text(fields[name]))

    def own_metrics(self, env_id: str, scores: Sequence[Score]) -> dict[str, float]:
        """Return what the hooks compute; one that fails is reported and left out."""
        found: dict[str, float] = {}
        for hook in self.hooks:
            try:
                values = hook(scores)
                numbers = {str(k): float(v) for k, v in values.items() if v is not None}
            except Exception as error:  # third-party code: the other metrics must not go with it
                logger.warning("the metrics of %s itself are left out: %r", env_id, error)
                continue
            found.update({name: value for name, value in numbers.items() if math.isfinite(value)})
        return found


def answer_text(answer: Any) -> str | None:
    """Return an answer as text that is equal for equal answers; None for null and blank ones.

    >>> answer_text(" 12 "), answer_text([2, 1]), answer_text("")
    ('12', '[2, 1]', None)
    """
    if not isinstance(answer, str | None):
        answer = json.dumps(answer, sort_keys=True, default=str)
    text = (answer or "").strip()
    if len(text) <= MAX_TEXT_CHARS:
        return text or None
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def short_values(data: Mapping[str, Any], prefix: str = "", levels: int = 2) -> dict[str, Any]:
    """Return the numbers, booleans and short texts of plain data, nested ones as ``outer.inner``.

    >>> short_values({"a": True, "b": {"c": "x", "d": None}, "e": [1]})
    {'a': True, 'b.c': 'x'}
    """
    found: dict[str, Any] = {}
    for key, value in data.items():
        if isinstance(value, int | float):
            # Integers beyond the range of floats say nothing in a mean.
            if abs(value) < 1e300:
                found[f"{prefix}{key}"] = value
        elif isinstance(value, str):
            if len(value) <= MAX_TEXT_CHARS:
                found[f"{prefix}{key}"] = value
        elif isinstance(value, Mapping) and levels > 1:
            found.update(short_values(value, f"{prefix}{key}.", levels - 1))
    return found
