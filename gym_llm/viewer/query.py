"""The filter of the terminal's list: a few words, all of which must hold."""

import operator
import re
from collections.abc import Callable, Collection
from typing import get_args

from gym_llm.rollouts.records import FAILURE_KINDS, RolloutState
from gym_llm.viewer.entries import Entry

Test = Callable[[Entry], bool]
_COMPARISON = re.compile(r"reward(<=|>=|<|>|=)(-?\d+(?:\.\d+)?)")
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


def parse(query: str, mixed: Collection[tuple[str, int]]) -> Test:
    """Return the test that a query stands for.

    Args:
        query: words, of which each must hold: ``completed`` and the other states, ``model_http`` and the
            other kinds of failure, ``reward>=0.5`` and the like (never true of a rollout that failed),
            ``mixed`` for tasks with mixed results. Any other word must occur in the task's text or id,
            or in the environment's id; case does not matter.
        mixed: the tasks with mixed results.
    """
    tests = [_test(word, mixed) for word in query.lower().split()]
    return lambda entry: all(test(entry) for test in tests)


def _test(word: str, mixed: Collection[tuple[str, int]]) -> Test:
    if word == "mixed":
        return lambda e: e.task in mixed
    if word in get_args(RolloutState):
        return lambda e: e.state == word
    if word in FAILURE_KINDS:
        return lambda e: e.failure == word
    if found := _COMPARISON.fullmatch(word):
        compare, bound = _OPERATORS[found[1]], float(found[2])
        return lambda e: e.counts and compare(e.reward, bound)
    return lambda e: word in f"{e.task_id} {e.env_id} {e.task_text}".lower()
