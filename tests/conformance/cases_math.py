"""Symbolic mathematics."""

import dataclasses

from tests.conformance.harness import Case, Record, Replay


def graded_by_the_library(record: Record, replay: Replay) -> Replay:
    """Expect what the library said: the recorded server also asked a judge, with another prompt."""
    return dataclasses.replace(replay, expected=record["row"]["library_reward"])


CASES = [
    Case(
        "gym_llm/MathDAPO17k-v0",
        "math_with_judge",
        # One comparison takes sympy almost ten seconds on a slow machine.
        kwargs={"library_verifier_timeout_seconds": 120},
        prepare=graded_by_the_library,
    ),
    Case("gym_llm/PolyMath-v0", "polymath"),
]
