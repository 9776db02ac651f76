"""Metrics that environments define themselves, on values computed by hand."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from gym_llm.registration import EnvInfo, table
from gym_llm.rollouts.metrics import EnvMetrics, summarise
from gym_llm.rollouts.records import Rollout, TaskRecord
from gym_llm.scores import Score
from tests.support.runs import rollout


def graded(
    env: str, tasks: Sequence[Sequence[Mapping[str, Any]]], rows: Sequence[Mapping[str, Any]] = ()
) -> EnvMetrics:
    """Summarise rollouts given by the fields of their verification; ``reward`` is taken from them."""
    env_id = f"gym_llm/{env}-v0"
    found: list[Rollout] = []
    for t, group in enumerate(tasks):
        for j, fields in enumerate(group):
            values = {"rewards": fields.get("rewards", {})}
            verification = {"fields": {k: v for k, v in fields.items() if k != "rewards"}}
            reward = float(fields.get("reward", 0.0))
            found.append(rollout(t, j, reward, env_id=env_id, verification=verification, **values))
    records = [
        TaskRecord(env_id=env_id, task_id=str(t), task_index=t, row=dict(row))
        for t, row in enumerate(rows)
    ]
    return summarise(found, tasks=records)[env_id]


def grade(name: str) -> dict[str, Any]:
    names = ("correct", "incorrect", "not_attempted")
    return {"reward": name == "correct", **{f"is_{n}": float(n == name) for n in names}}


def test_simpleqa() -> None:
    yes, no, none = grade("correct"), grade("incorrect"), grade("not_attempted")
    own = graded("SimpleQA", [[yes, no], [none, none], [yes, yes], [no, none]]).own
    assert own == {
        "correct": 0.375,
        "incorrect": 0.25,
        "not_attempted": 0.375,
        "accuracy_given_attempted": pytest.approx(0.6),
        "f1": pytest.approx(0.461538, abs=1e-6),
        "pass@2/correct": 0.5,
        "pass@2/incorrect": 0.5,
        "pass@2/not_attempted": 0.5,
        "pass@2/accuracy_given_attempted": 0.5,
        "pass@2/f1": 0.5,
    }


def test_simpleqa_without_an_attempt() -> None:
    own = graded("SimpleQA", [[grade("not_attempted")]]).own
    assert (own["accuracy_given_attempted"], own["f1"]) == (0.0, 0.0)


def solved(answer: str | None, right: float, **fields: Any) -> dict[str, Any]:
    return {"reward": right, "library_reward": right, "extracted_answer": answer, **fields}


def test_mathematics_with_and_without_a_judge() -> None:
    judged = {**solved("1/2", 0.0), "reward": 1.0, "judge_calls": 2}
    assert graded("MathDAPO17k", [[solved("1", 1.0), judged]]).own == {
        "symbolic_accuracy": 0.5,
        "judge_accuracy": 1.0,
        "judged": 0.5,
    }
    assert graded("MathDAPO17k", [[solved(None, 0.0)]]).own == {"symbolic_accuracy": 0.0}


def test_polymath_weighs_by_difficulty() -> None:
    light, heavy = {"weight": 1.0, "language": "de"}, {"weight": 8.0, "language": "th"}
    metrics = graded(
        "PolyMath",
        [
            [solved("1", 1.0, **light), solved("2", 0.0, **light)],
            [solved(None, 0.0, **heavy), solved("5", 1.0, **heavy)],
        ],
    )
    assert metrics.own == {
        "symbolic_accuracy": 0.5,
        "weighted_accuracy": 0.5,
        "symbolic_accuracy/language=de": 0.5,
        "symbolic_accuracy/language=th": 0.5,
        "weighted_accuracy/language=de": 0.5,
        "weighted_accuracy/language=th": 0.5,
        "pass@2/weighted": 1.0,
        "majority@2/weighted": pytest.approx(0.944444, abs=1e-6),
    }
    assert metrics.metrics["majority@2"].value == 0.75


def test_polymath_counts_tasks_without_a_weight_once() -> None:
    own = graded("PolyMath", [[solved("1", 1.0)], [solved("2", 0.0, weight=3.0)]]).own
    assert own["weighted_accuracy"] == 0.25


def test_indirect_prompt_injection() -> None:
    def episode(safety: float, utility: float, difficulty: str, success: bool) -> dict[str, Any]:
        return {
            "reward": safety * utility,
            "rewards": {"safety": safety, "utility": utility},
            "attack_succeeded": success,
            "attack_difficulty": difficulty,
            "attack_category": None,
            "verification_type": "check_referral",
        }

    own = graded(
        "IndirectPromptInjection",
        [[episode(1, 0, "easy", False)], [episode(0, 1, "hard", True), episode(1, 1, "hard", False)]],
    ).own
    assert own == {
        "resistance": 0.75,
        "attack_success": 0.25,
        "resistance/attack_difficulty=easy": 1.0,
        "resistance/attack_difficulty=hard": 0.5,
        "resistance/verification_type=check_referral": 0.75,
        "reward/attack_difficulty=easy": 0.0,
        "reward/attack_difficulty=hard": 0.5,
        "reward/verification_type=check_referral": 0.25,
    }


def test_structured_outputs_by_kind_of_row() -> None:
    rows = [{"schema_type": "json", "has_distractors": True}, {"schema_type": "xml", "num_tools": 3}]
    broken = {"reward": 0.0, "error_type": "parse_error"}
    own = graded("StructuredOutputsV3", [[{"reward": 1.0, "error_type": None}], [broken]], rows).own
    assert own == {
        "error_type/parse_error": 0.5,
        "reward/schema_type=json": 1.0,
        "reward/schema_type=xml": 0.0,
        "reward/num_tools=3": 0.0,
        "reward/has_distractors=true": 1.0,
    }


def test_circle_count_votes_by_the_count() -> None:
    def count(predicted: int | None, expected: int) -> dict[str, Any]:
        error = None if predicted is None else abs(predicted - expected)
        fields = {"predicted_count": predicted, "expected_count": expected, "absolute_error": error}
        return {"reward": float(predicted == expected), **fields}

    metrics = graded("CircleCount", [[count(2, 2), count(2, 2), count(5, 2)], [count(None, 7)] * 3])
    assert metrics.own == {
        "mean_absolute_error": 1.0,
        "reward/expected_count=2": pytest.approx(2 / 3),
        "reward/expected_count=7": 0.0,
    }
    assert metrics.metrics["majority@3"].value == 0.5
    assert metrics.metrics["no_answer"].value == 0.5


def test_graphwalks_by_operation() -> None:
    found = {"reward": 0.5, "parse_failed": False}
    lost = {"reward": 0.0, "parse_failed": True}
    own = graded("GraphWalks", [[found], [lost]], [{"problem_type": "bfs"}, {"problem_type": "x"}]).own
    assert own == {"parse_failed": 0.5, "reward/problem_type=bfs": 0.5, "reward/problem_type=x": 0.0}


def test_gpqa_by_subject_and_difficulty() -> None:
    row = {"metadata": {"subset_for_metrics": "Optics", "difficulty": "Hard"}}
    assert graded("GPQADiamond", [[{"reward": 1.0}]], [row]).own == {
        "reward/metadata.subset_for_metrics=Optics": 1.0,
        "reward/metadata.difficulty=Hard": 1.0,
    }


def test_workplace_by_category() -> None:
    done = {"reward": 1.0, "category": "email", "n_calls": 3, "n_invalid_calls": 0}
    lost = {"reward": 0.0, "category": "crm", "n_calls": 5, "n_invalid_calls": 2}
    assert graded("WorkplaceAssistant", [[done], [lost]]).own == {
        "calls": 4.0,
        "invalid_calls": 1.0,
        "reward/category=crm": 0.0,
        "reward/category=email": 1.0,
    }


def test_blackjack() -> None:
    hands = [("win", False), ("bust", True), ("bust", False), ("draw", False)]
    own = graded("Blackjack", [[{"result": r, "invalid_action": i}] for r, i in hands]).own
    assert own == {"win": 0.25, "draw": 0.25, "loss": 0.0, "bust": 0.5, "invalid_action": 0.25}


def test_sokoban_gap_is_over_solved_rooms() -> None:
    games = [
        {"success": True, "moves": 8, "pushes": 2, "deadlock": False, "optimality_gap": 3},
        {"success": False, "moves": 100, "pushes": 4, "deadlock": True, "optimality_gap": None},
    ]
    assert graded("Sokoban", [[game] for game in games]).own == {
        "solve_rate": 0.5,
        "moves": 54.0,
        "pushes": 3.0,
        "deadlock": 0.5,
        "optimality_gap": 3.0,
    }


def test_tetris() -> None:
    games = [{"success": True, "lines": 2, "moves": 20, "pieces": 6}, {"success": False, "lines": 0}]
    assert graded("Tetris", [[game] for game in games]).own == {
        "success_rate": 0.5,
        "lines": 1.0,
        "moves": 20.0,
        "pieces": 6.0,
    }


class OwnVerifier:
    """Metrics of another package's verifier."""

    answer_field = "guess"

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        return {"guesses": float(len(scores)), "nothing": None, "endless": float("inf")}


class OwnEnv:
    verifier_class = OwnVerifier

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float]:
        return {"x": scores[0].fields["is_broken"]}


def test_another_packages_metrics_that_fail_leave_the_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    env = f"{__name__}:OwnEnv"
    info = EnvInfo(id="other/Own-v0", env=env, domain="o", kind="rule", summary="", licence="MIT")
    monkeypatch.setitem(table, info.id, info)
    run = [
        rollout(0, j, 1.0, env_id=info.id, verification={"fields": {"guess": guess}})
        for j, guess in enumerate(("a", "a", "b"))
    ]
    with caplog.at_level(logging.WARNING):
        metrics = summarise(run)[info.id]
    assert metrics.own == {"guesses": 3.0}
    assert metrics.metrics["majority@3"].value == 1.0
    assert "the metrics of other/Own-v0 itself are left out: KeyError('is_broken')" in caplog.text
