"""PolyMath: the reward table of its specification, prompts in each language, rows."""

from typing import Any

import gymnasium
import pytest

import gym_llm  # noqa: F401
from gym_llm.envs.math.polymath import PROMPTS, PolyMathEnv
from gym_llm.errors import RowError

ROW = {"question": "What is half of 84?", "expected_answer": "42", "language": "en"}


def make(row: dict[str, Any], **kwargs: Any) -> gymnasium.Env[str, str]:
    return gymnasium.make("gym_llm/PolyMath-v0", tasks=[row], **kwargs)


def grade(row: dict[str, Any], response: str, **kwargs: Any) -> tuple[float, dict[str, Any]]:
    env = make({**ROW, **row}, **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(response)
    assert terminated
    return float(reward), info["verification"].fields


@pytest.mark.parametrize(
    ("gold", "response", "reward", "extracted"),
    [
        pytest.param("42", r"Das Ergebnis ist \boxed{42}.", 1.0, "42", id="german"),
        pytest.param("1/2", r"答案是 \boxed{\frac{1}{2}}。", 1.0, "1/2", id="chinese"),
        pytest.param("$x=3$", r"\boxed{3}", 1.0, "3", id="equation"),
        pytest.param("(2,5)", r"\boxed{(2, 5)}", 1.0, "Interval.open(2, 5)", id="pair"),
        pytest.param("1,000", r"\boxed{1000}", 1.0, "1000", id="thousands"),
        pytest.param("7", "\\boxed{\u0667}", 0.0, "\u0667", id="arabic-digit"),
        pytest.param("7", "", 0.0, None, id="empty"),
    ],
)
def test_reward(gold: str, response: str, reward: float, extracted: str | None) -> None:
    found, fields = grade({"expected_answer": gold}, response)
    assert (found, fields["extracted_answer"]) == (reward, extracted)


def test_full_width_colon_hides_a_number_without_a_box() -> None:
    assert grade({}, "答案\N{FULLWIDTH COLON}42")[0] == 0.0
    assert grade({}, "答案\N{FULLWIDTH COLON}42", normalize_digits=True)[0] == 0.0
    assert grade({}, "答案: 42")[0] == 1.0


@pytest.mark.parametrize(
    ("language", "response", "reward"),
    [
        pytest.param("de", r"\boxed{3,5}", 1.0, id="comma"),
        pytest.param("pt", r"\boxed{3{,}5}", 1.0, id="comma-in-braces"),
        pytest.param("ru", "Ответ 3,5", 1.0, id="no-box"),
        pytest.param("en", r"\boxed{3,5}", 0.0, id="language-without-decimal-comma"),
        pytest.param("de", r"\boxed{3, 5}", 0.0, id="set-with-a-blank"),
        pytest.param("de", r"\boxed{3,5,7}", 0.0, id="list"),
    ],
)
def test_decimal_comma_is_read_on_request(language: str, response: str, reward: float) -> None:
    row = {"language": language, "expected_answer": "3.5"}
    assert grade(row, response, decimal_comma=True)[0] == reward


def test_comma_makes_a_set_by_default() -> None:
    row = {"language": "de", "expected_answer": "3.5"}
    assert grade(row, r"\boxed{3,5}")[1]["extracted_answer"] == "{3, 5}"
    assert grade({**row, "expected_answer": "5,3"}, r"\boxed{3,5}")[0] == 1.0


@pytest.mark.parametrize(
    ("row", "weight"),
    [
        pytest.param({}, None, id="none"),
        pytest.param({"difficulty": "low"}, 1.0, id="low"),
        pytest.param({"difficulty": "medium"}, 2.0, id="medium"),
        pytest.param({"difficulty": "high"}, 4.0, id="high"),
        pytest.param({"difficulty": "top"}, 8.0, id="top"),
        pytest.param({"difficulty": "top", "weight": 3}, 3.0, id="own"),
    ],
)
def test_weight_and_language_are_reported(row: dict[str, Any], weight: float | None) -> None:
    _, fields = grade(row, "42")
    assert (fields["weight"], fields["language"]) == (weight, "en")
    assert fields["library_reward"] == 1.0


@pytest.mark.parametrize("language", sorted(PROMPTS))
def test_every_language_says_how_to_answer(language: str) -> None:
    observation, _ = make({**ROW, "language": language}).reset(seed=0)
    question, _, how = observation.partition("\n\n")
    assert question == ROW["question"]
    assert r"\boxed{}" in how


@pytest.mark.parametrize("mode", ["forcing_raw", "forcing_en", "forcing_prefer"])
def test_language_control_adds_a_sentence(mode: str) -> None:
    row = {**ROW, "language": "fr", "language_control_mode": mode}
    observation, _ = make(row).reset(seed=0)
    assert observation.endswith(f"\n{PROMPTS['fr'][mode]}")


def test_columns_of_the_public_data_set_are_converted() -> None:
    env = make({"id": "top-de-7", "question": "Was ergibt 6 mal 7?", "answer": "$42$"})
    observation, info = env.reset(seed=0)
    assert info["task_id"] == "top-de-7"
    assert observation.startswith("Was ergibt 6 mal 7?\n\n")
    fields = env.step(r"\boxed{42}")[4]["verification"].fields
    assert (fields["weight"], fields["language"], fields["library_reward"]) == (8.0, "de", 1.0)


def test_splits_are_the_languages_and_levels_and_all_of_them() -> None:
    assert len(PolyMathEnv.splits) == 18 * 4 + 1
    split = PolyMathEnv.splits["sw-high"]
    assert (split.path, split.name, split.split) == ("Qwen/PolyMath", "sw", "high")
    assert "test" in PolyMathEnv.splits


def test_bundled_tasks_cover_five_languages_and_all_levels() -> None:
    rows = PolyMathEnv().tasks.rows
    assert len({row.language for row in rows}) >= 5  # type: ignore[attr-defined]
    assert {row.difficulty for row in rows} == {"low", "medium", "high", "top"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param({**ROW, "expected_answer": ""}, "the gold answer is empty", id="empty"),
        pytest.param({**ROW, "language": "xx"}, "language: expected one of .* got 'xx'", id="language"),
        pytest.param(
            {**ROW, "difficulty": "easy"}, "difficulty: Input should be 'low'", id="difficulty"
        ),
        pytest.param(
            {"id": "7", "question": "?", "answer": "1"}, "columns cannot be converted", id="id"
        ),
    ],
)
def test_bad_row_is_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        make(row)
