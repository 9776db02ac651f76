"""Task sets: sources, validation, errors with their place, Hugging Face splits from local files."""

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import datasets
import pytest

from gym_llm.envs.knowledge.mcqa import MCQAEnv
from gym_llm.errors import ConfigError, DataError, RowError, UnknownNameError

SOURCE = MCQAEnv.source()
GOOD = {"question": "?", "options": [{"A": "x"}, {"B": "y"}], "expected_answer": "B"}
NEMO = {
    "responses_create_params": {
        "input": [{"role": "user", "content": "Q?\nA: x\nB: y"}],
        "temperature": 0.5,
    },
    "options": [{"A": "x"}, {"B": "y"}],
    "expected_answer": "A",
    "uuid": "u",
}


def write(path: Path, *lines: Any) -> Path:
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n"
    )
    return path


def test_bundled_tasks_have_stable_ids() -> None:
    assert SOURCE.load("example")[2].id == "mcqa-2"


def test_nemo_gym_row_is_accepted_as_it_is() -> None:
    task = SOURCE.load([NEMO])[0]
    assert task.row.messages == [{"role": "user", "content": "Q?\nA: x\nB: y"}]
    assert task.row.uuid == "u"


def test_own_task_id_counts() -> None:
    assert SOURCE.load([{**GOOD, "task_id": "mine"}])[0].id == "mine"


def test_jsonl_path_skips_blank_lines(tmp_path: Path) -> None:
    tasks = SOURCE.load(str(write(tmp_path / "set.jsonl", GOOD, "", NEMO)))
    assert [t.id for t in tasks] == ["set-0", "set-1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param("{nope", r"set\.jsonl, line 2: not valid JSON", id="malformed"),
        pytest.param({"question": "?"}, r"line 2: expected_answer: Field required", id="missing-field"),
        pytest.param(
            {**GOOD, "options": "A"}, r"line 2: options: Input should be a valid list", id="wrong-type"
        ),
        pytest.param(
            {**GOOD, "question": None},
            r"line 2: responses_create_params: the row has no prompt",
            id="no-prompt",
        ),
        pytest.param(
            {**NEMO, "responses_create_params": {"input": [{"type": "x"}]}},
            r"line 2: input item with type 'x'",
            id="item",
        ),
        pytest.param("[" * 100_000, r"line 2: not valid JSON", id="deep"),
        pytest.param(
            {"question": "?", "choices": [], "answer": 3},
            r"line 2: the columns cannot be converted",
            id="adapter",
        ),
    ],
)
def test_bad_row_names_file_line_field_and_reason(tmp_path: Path, line: Any, message: str) -> None:
    path = write(tmp_path / "set.jsonl", GOOD, line)
    with pytest.raises(RowError, match=message):
        SOURCE.load(str(path))


def test_skipped_rows_are_counted_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path / "set.jsonl", GOOD, "{nope", {"question": "?"}, GOOD)
    tasks = SOURCE.load(str(path), on_bad_row="skip")
    assert len(tasks) == 2
    assert [s.split(": ")[0].rsplit("/", 1)[-1] for s in tasks.skipped] == [
        "set.jsonl, line 2",
        "set.jsonl, line 3",
    ]
    assert "2 bad rows skipped" in caplog.text


def test_file_of_bad_rows_only_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no valid task"):
        SOURCE.load(str(write(tmp_path / "set.jsonl", "{nope")), on_bad_row="skip")


def test_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "set.jsonl", GOOD)
    assert len(SOURCE.load(str(path))) == 1
    assert SOURCE.load(str(path)) is SOURCE.load(str(path))
    write(path, GOOD, GOOD)
    assert len(SOURCE.load(str(path))) == 2


def test_unknown_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown task set 'trainn'; did you mean train"):
        SOURCE.load("trainn")
    with pytest.raises(DataError, match="task file not found"):
        SOURCE.load(str(tmp_path / "none.jsonl"))
    with pytest.raises(ConfigError, match="tasks must be"):
        SOURCE.load(3)
    with pytest.raises(ConfigError, match="on_bad_row"):
        SOURCE.load("example", on_bad_row="ignore")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="arguments of datasets"):
        SOURCE.load({"nope": 1})


@pytest.mark.parametrize("builder", ["json", "parquet"])
def test_hub_split_is_memory_mapped_and_validated(
    tmp_path: Path, builder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [{"question": f"{i}?", "choices": ["x", "y"], "answer": i % 2} for i in range(5)]
    path = tmp_path / f"rows.{builder}"
    if builder == "json":
        write(path, *rows)
    else:
        datasets.Dataset.from_list(rows).to_parquet(path)
    tasks = SOURCE.load({"path": builder, "data_files": str(path), "split": "train"})
    assert [t.row.gold for t in tasks] == ["A", "B", "A", "B", "A"]
    assert tasks[4].id == f"{builder}:train-4"
    assert tasks.rows._dataset.cache_files  # type: ignore[attr-defined]
    assert pickle.loads(pickle.dumps(tasks))[1].row.gold == "B"


def test_bad_hub_row_names_split_and_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    good = {"question": "?", "choices": ["x", "y"], "answer": "B"}
    path = write(tmp_path / "rows.json", good, {**good, "answer": "Z"})
    where = {"path": "json", "data_files": str(path), "split": "train"}
    with pytest.raises(
        RowError, match="json:train, line 1: expected_answer: 'Z' is none of the options"
    ):
        SOURCE.load(where)
    assert len(SOURCE.load(where, on_bad_row="skip")) == 1


def test_missing_hub_data_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data set json:train cannot be loaded"):
        SOURCE.load({"path": "json", "data_files": str(tmp_path / "none.json"), "split": "train"})


def test_copies_share_the_tasks() -> None:
    tasks = SOURCE.load("example")
    assert copy.deepcopy(tasks) is tasks
    assert tasks[-1].id == tasks[len(tasks) - 1].id
    assert [t.index for t in tasks[1:3]] == [1, 2]
    with pytest.raises(IndexError):
        tasks[99]


def test_row_given_at_reset_has_the_digest_of_its_content_as_id() -> None:
    one, two = SOURCE.parse(GOOD), SOURCE.parse(GOOD)
    assert one.id == two.id != SOURCE.parse({**GOOD, "question": "!"}).id
    assert one.index == -1
