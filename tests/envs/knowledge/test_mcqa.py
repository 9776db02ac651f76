"""MCQA: the reward table of its specification, and rows."""

import gymnasium
import pytest

import gym_llm  # noqa: F401
from gym_llm.errors import ConfigError, RowError

ROW = {
    "question": "Which one?",
    "options": [{"A": "Iron"}, {"B": "Copper"}, {"C": "Zinc"}, {"D": "Copper oxide"}],
    "expected_answer": "b",
}
STRICT, LENIENT = {}, {"grading_mode": "lenient_boxed"}
COLON, COLON_MD = {"grading_mode": "lenient_answer_colon"}, {"grading_mode": "lenient_answer_colon_md"}
PICK = {"template_metadata": {"output_regex": r"PICK\s+([A-Za-z])"}}


def grade(row: dict, response: str) -> tuple[float, str | None]:
    env = gymnasium.make("gym_llm/MCQA-v0", tasks=[{**ROW, **row}])
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(response)
    assert terminated
    return reward, info["verification"].fields["extracted_answer"]


@pytest.mark.parametrize(
    ("row", "response", "reward", "letter"),
    [
        pytest.param(STRICT, r"First \boxed{A}, but finally \boxed{B}", 1.0, "B", id="last-box-counts"),
        pytest.param(STRICT, r"\boxed{b}", 0.0, None, id="lower-case"),
        pytest.param(STRICT, r"\boxed{\text{ B) Copper }}", 1.0, "B", id="text-layer"),
        pytest.param(STRICT, r"\boxed{Copper}", 0.0, None, id="option-text-is-not-strict"),
        pytest.param(STRICT, r"\boxed{B} \boxed{B", 0.0, None, id="unbalanced-last-box"),
        pytest.param(STRICT, r"\boxed{[C]}", 0.0, "C", id="brackets"),
        pytest.param(STRICT, r"\boxed{E}", 0.0, None, id="not-an-option"),
        pytest.param(LENIENT, r"\boxed{Copper}", 1.0, "B", id="lenient-option-text"),
        pytest.param(LENIENT, r"\boxed{Copper oxide}", 0.0, None, id="lenient-two-options-match"),
        pytest.param(COLON, "Answer: zinc\nAnswer: Copper", 0.0, "C", id="first-colon-counts"),
        pytest.param(COLON, "answer:\n b", 1.0, "B", id="colon-then-line-break"),
        pytest.param(COLON_MD, "**Answer:** B\nanswer: A or B", 1.0, "B", id="list-gives-nothing"),
        pytest.param(COLON_MD, "Answer:\nB", 1.0, "B", id="one-line-break"),
        pytest.param(COLON_MD, "Answer:\n\n\nB", 0.0, None, id="three-line-breaks"),
        pytest.param(COLON_MD, "Answer: \uff22", 1.0, "B", id="full-width-letter"),
        pytest.param(PICK, r"pick A ... PICK b. \boxed{A}", 1.0, "B", id="last-match-of-the-pattern"),
        pytest.param(
            {"template_metadata": {"output_regex": r"PICK (([A-Z])"}}, r"PICK A \boxed{B}", 1.0, "B",
            id="broken-pattern"
        ),
        pytest.param(
            {"template_metadata": {"output_regex": r"PICK (\w)( now)?"}}, "PICK B", 1.0, "B",
            id="two-groups"
        ),
        pytest.param(
            {"template_metadata": {"output_regex": r"(a|a)*$|(a*)*b"}}, "a" * 5000 + r"c \boxed{B}", 1.0,
            "B", id="catastrophic-pattern",
        ),
        pytest.param(STRICT, "", 0.0, None, id="empty"),
    ],
)  # fmt: skip
def test_reward(row: dict, response: str, reward: float, letter: str | None) -> None:
    assert grade(row, response) == (reward, letter)


def test_pattern_may_name_a_letter_outside_the_options() -> None:
    env = gymnasium.make("gym_llm/MCQA-v0", tasks=[{**ROW, **PICK}])
    env.reset(seed=0)
    assert env.step("PICK z")[4]["verification"].fields["extracted_outside_options"]


def test_gold_that_is_no_option_is_refused() -> None:
    with pytest.raises(RowError, match="row list, line 0: expected_answer: 'E' is none of the options"):
        gymnasium.make("gym_llm/MCQA-v0", tasks=[{**ROW, "expected_answer": "E"}])


def test_unknown_grading_mode_is_refused() -> None:
    with pytest.raises(ConfigError, match="grading_mode must be one of"):
        gymnasium.make("gym_llm/MCQA-v0", grading_mode="loose")


def test_choices_columns_are_converted() -> None:
    env = gymnasium.make(
        "gym_llm/MCQA-v0", tasks=[{"question": "?", "choices": ["x", "y"], "answer": 1}]
    )
    env.reset(seed=0)
    assert env.step(r"\boxed{B}")[1] == 1.0
