"""GPQA Diamond: the reward table of its specification, rows, and the two versions of the data set."""

import dataclasses
import hashlib
import json
import random
import time
from pathlib import Path
from typing import ClassVar

import gymnasium
import pytest

import gym_llm  # noqa: F401
from gym_llm.envs.knowledge.gpqa_diamond import (
    GPQADiamondEnv,
    adapt_question_order,
    adapt_server_order,
)
from gym_llm.errors import RowError
from gym_llm.tasks import HubSplit

ID = "gym_llm/GPQADiamond-v0"
ROW = {
    "question": "Which one?",
    "options": [{"A": "Iron"}, {"B": "Copper"}, {"C": "Zinc"}, {"D": "Tin"}],
    "expected_answer": "C",
}
HUB_ROW = {
    "Question": "Which metal is liquid at room temperature? ",
    "Correct Answer": " mercury\n",
    "Incorrect Answer 1": "iron",
    "Incorrect Answer 2": "zinc",
    "Incorrect Answer 3": "tin",
    "Explanation": "It melts at -39 C.",
    "Subdomain": "Chemistry (general)",
    "Writer's Difficulty Estimate": "Easy undergraduate level (or easier)",
}


def grade(response: str, row: dict | None = None, **kwargs: object) -> tuple[float, str | None]:
    env = gymnasium.make(ID, tasks=[{**ROW, **(row or {})}], **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(response)
    assert terminated
    return reward, info["verification"].fields["extracted_answer"]


@pytest.mark.parametrize(
    ("response", "reward", "letter"),
    [
        pytest.param("reason\nAnswer: C", 1.0, "C", id="answer-line"),
        pytest.param("**Answer:** c", 1.0, "C", id="marked-up-lower-case"),
        pytest.param("\\boxed{C}\nAnswer: D", 1.0, "C", id="box-comes-first"),
        pytest.param("\\boxed{c}\nAnswer: C", 1.0, "C", id="box-without-capital"),
        pytest.param(r"\boxed{\text{C}}", 1.0, "C", id="text-layer"),
        pytest.param("Answer: C2", 0.0, None, id="digit-after-the-letter"),
        pytest.param("\\boxed{Z}\nAnswer: C", 0.0, None, id="box-outside-the-options"),
        pytest.param("", 0.0, None, id="empty"),
        pytest.param(r"\boxed{A} then \boxed{ C }", 1.0, "C", id="last-box-counts"),
        pytest.param(r"\boxed{A or C}", 1.0, "C", id="last-capital-of-the-box"),
        pytest.param(r"\boxed{C", 0.0, None, id="unclosed-box"),
        pytest.param("Answer: A\nAnswer: C", 1.0, "C", id="last-answer-counts"),
        pytest.param("Answer:\n\n\nC", 1.0, "C", id="line-breaks-after-the-colon"),
        pytest.param("Answer: E", 0.0, None, id="answer-outside-the-options"),
        pytest.param("Answer: D", 0.0, "D", id="wrong"),
        pytest.param("_Answer_ : **C**", 0.0, None, id="three-marks-after-the-colon"),
        pytest.param("\\boxed{\u00c4}\nAnswer: C", 0.0, None, id="capital-of-another-script"),
    ],
)
def test_reward(response: str, reward: float, letter: str | None) -> None:
    assert grade(response) == (reward, letter)


def test_any_markers_allows_more_marks() -> None:
    assert grade("_Answer_ : **C**", any_markers=True) == (1.0, "C")


@pytest.mark.parametrize("patterns", [r"PICK (\w)", ["(((", r"PICK (\w)"]])
def test_pattern_of_the_row_comes_first(patterns: str | list[str]) -> None:
    assert grade(r"PICK c \boxed{A}", {"template_metadata": {"output_regex": patterns}}) == (1.0, "C")


def test_pattern_without_a_match_falls_back_to_the_box() -> None:
    assert grade(r"\boxed{C}", {"template_metadata": {"output_regex": "never"}}) == (1.0, "C")


@pytest.mark.parametrize("unit", ["\\boxed{", "answer" + " " * 50, "answer:*", "Answer: ", "\\boxed{A}"])
def test_long_responses_are_graded_in_linear_time(unit: str) -> None:
    env = gymnasium.make(ID, tasks=[ROW])
    env.reset(seed=0)
    started = time.monotonic()
    env.step(unit * (1_000_000 // len(unit)))
    assert time.monotonic() - started < 10  # a bound against quadratic time, not a measurement


def test_gold_that_is_no_option_is_refused() -> None:
    with pytest.raises(RowError, match="expected_answer: 'E' is none of the options"):
        gymnasium.make(ID, tasks=[{**ROW, "expected_answer": "E"}])


def test_empty_choice_is_refused() -> None:
    with pytest.raises(RowError, match=r"line 0: .*'Incorrect Answer 2' is empty"):
        gymnasium.make(ID, tasks=[{**HUB_ROW, "Incorrect Answer 2": " "}])


def test_server_order_is_one_stream_over_the_set() -> None:
    rng = random.Random(42)
    for index in range(5):
        texts = ["iron", "zinc", "tin", "mercury"]
        rng.shuffle(texts)
        row = adapt_server_order(dict(HUB_ROW), index)
        assert [text for option in row["options"] for text in option.values()] == texts
        assert row["expected_answer"] == "ABCD"[texts.index("mercury")]
        assert row["task_id"] == f"gpqa_diamond-server-{index}"
    assert row["metadata"] == {
        "explanation": "It melts at -39 C.",
        "subset_for_metrics": "Chemistry (general)",
        "difficulty": "Easy undergraduate level",
    }


def test_benchmark_order_depends_on_the_question_alone() -> None:
    texts = ["mercury", "iron", "zinc", "tin"]
    random.Random(int(hashlib.md5(HUB_ROW["Question"].encode()).hexdigest(), 16)).shuffle(texts)
    rows = [adapt_question_order(dict(HUB_ROW), index) for index in (0, 7)]
    assert rows[0] == rows[1]
    assert [text for option in rows[0]["options"] for text in option.values()] == texts


def test_splits_name_the_two_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "gpqa.jsonl"
    path.write_text("".join(json.dumps(HUB_ROW) + "\n" for _ in range(3)))
    local = HubSplit("json", split="train", data_files=str(path))

    class LocalEnv(GPQADiamondEnv):
        splits: ClassVar = {
            name: dataclasses.replace(local, adapt=split.adapt)
            for name, split in GPQADiamondEnv.splits.items()
        }

    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    ids = {split: [task.id for task in LocalEnv(tasks=split).tasks] for split in LocalEnv.splits}
    assert ids["train"] == [f"gpqa_diamond-server-{i}" for i in range(3)]
    assert all(name.startswith("gpqa_diamond-benchmark-") for name in ids["benchmark"])
