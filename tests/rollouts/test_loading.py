"""Runs as tables: nothing is lost on the way, and the columns are the same for every run."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest

from gym_llm.errors import DataError, RowError
from gym_llm.messages import Message
from gym_llm.rollouts.loading import load, message_of, message_struct, rollout_of, to_pandas
from gym_llm.rollouts.records import CallRecord, FailureRecord, Rollout, Timings, TokenSegment
from tests.support.runs import make_run, rollout

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": "é漢🎲"}'}}
WITH_TOOLS: list[Message] = [
    {"role": "system", "content": "Rechne schön."},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "Was ist das?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        ],
    },
    {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"},
    {"role": "tool", "tool_call_id": "c1", "content": "3"},
    {"role": "assistant", "content": "3"},
]
FAILURE = FailureRecord(kind="model_http", cause="HTTP 400", message="no", traceback="Traceback ...")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Tables are cached under a folder that ends with the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield tmp_path / "cache"
    datasets.enable_progress_bars()


def varied() -> list[Rollout]:
    return [
        rollout(
            0,
            reward=1.5,
            messages=WITH_TOOLS,
            tools=[{"type": "function", "function": {"name": "add", "parameters": {"x": [1, None]}}}],
            turns=2,
            step_rewards=[0.5, 1.0],
            rewards={"correct": 1.0, "format": 0.5},
            verification={"reward": 1.5, "rewards": {}, "fields": {"success": True, "n": 2, "why": [1]}},
            calls=[CallRecord(input_tokens=7, output_tokens=3, cost=0.25), CallRecord(output_tokens=4)],
        ),
        rollout(
            0,
            1,
            state="truncated",
            actions=["a", "", "ü"],
            tokens=[TokenSegment(token_ids=[1, 2], loss_mask=[0, 1], logprobs=[None, -0.5])],
        ),
        rollout(1, env_id="other/Env-v0", rewards={"other": -1.0}, verification=None, messages=[]),
        rollout(2, failure=FAILURE, timings=Timings(started_at=5.0, attempts=4)),
    ]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({"role": "user", "content": "漢字 🎲"}, id="text"),
        pytest.param({"role": "user", "content": [{"type": "text", "text": "x"}]}, id="parts"),
        pytest.param({"role": "assistant", "content": None, "tool_calls": [CALL]}, id="null-content"),
        pytest.param({"role": "assistant", "content": "", "tool_calls": []}, id="no-calls"),
        pytest.param({"role": "assistant", "tool_calls": [CALL], "refusal": None}, id="other-keys"),
        pytest.param({"role": "assistant", "tool_calls": [{**CALL, "index": 0}]}, id="longer-call"),
        pytest.param({"role": "assistant", "tool_calls": "none"}, id="calls-of-another-type"),
        pytest.param(
            {
                "role": "assistant",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}],
            },
            id="arguments-that-are-an-object",
        ),
        pytest.param({"role": 1, "content": 2.5, "name": {"x": 1}, "extra": "e"}, id="nothing-fits"),
        pytest.param({}, id="empty"),
    ],
)
def test_messages_survive_the_struct(message: Message) -> None:
    assert message_of(message_struct(message)) == message


def test_calls_are_typed_where_they_fit() -> None:
    struct = message_struct(WITH_TOOLS[2])
    assert struct["tool_calls"] == [CALL]
    assert json.loads(struct["extra"]) == {"content": None}
    assert set(struct) == set(message_struct({}))


def test_every_rollout_comes_back_as_it_was(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", varied())
    rows: list[Any] = list(load(run, failures=True))
    assert [rollout_of(row) for row in rows] == varied()


def test_failures_only_when_asked_for(tmp_path: Path) -> None:
    table = load(make_run(tmp_path / "run", varied()))
    assert table["task_index"][:] == [0, 0, 1]
    assert table["reward"][:] == [1.5, 0.0, 0.0]
    assert table["failure_kind"][:] == [None, None, None]


def test_all_runs_have_the_same_columns(tmp_path: Path) -> None:
    full = load(make_run(tmp_path / "full", varied()), failures=True)
    empty = load(make_run(tmp_path / "empty", []))
    assert empty.features == full.features
    assert empty.num_rows == 0
    assert datasets.concatenate_datasets([empty, full]).num_rows == 4


def test_table_is_made_once_and_again_when_the_run_has_grown(tmp_path: Path, cache: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0)])
    first, second = load(tmp_path / "run"), load(run)
    assert first.cache_files == second.cache_files
    assert first.cache_files[0]["filename"].startswith(str(cache))
    with (run.path / "rollouts.jsonl").open("a") as file:
        file.write(rollout(1).model_dump_json() + "\n")
    assert load(run)["task_index"][:] == [0, 1]


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0), rollout(1)])
    os.truncate(run.path / "rollouts.jsonl", (run.path / "rollouts.jsonl").stat().st_size - 5)
    assert load(run)["task_index"][:] == [0]


def test_bad_line_is_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0)])
    with (run.path / "rollouts.jsonl").open("a") as file:
        file.write('{"env_id": 1}\n')
    with pytest.raises(RowError, match=r"rollouts\.jsonl, line 2: env_id"):
        load(run)


def test_number_beyond_the_column_is_an_error_of_the_data(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0, turns=2**70)])
    with pytest.raises(DataError, match="does not fit into a table"):
        load(run)


def test_numbers_are_columns_of_the_frame(tmp_path: Path) -> None:
    frame = to_pandas(make_run(tmp_path / "run", varied()), failures=True)
    first = frame.iloc[0]
    assert first["rewards.correct"] == 1.0
    assert first["rewards.format"] == 0.5
    assert first["fields.success"]
    assert first["fields.n"] == 2
    assert (first["calls"], first["input_tokens"], first["output_tokens"]) == (2, 7, 7)
    assert first["cost"] == 0.25
    assert first["duration_s"] == 0.5
    assert frame["rewards.other"].isna().tolist() == [True, True, False, True]
    assert frame["failure_cause"].tolist()[3] == "HTTP 400"
    assert frame["reward"].mean() == 0.375
    assert "fields.why" not in frame


def test_frame_of_an_empty_run_has_the_columns(tmp_path: Path) -> None:
    frame = to_pandas(make_run(tmp_path / "run", []))
    assert len(frame) == 0
    assert {"env_id", "reward", "cost", "duration_s", "failure_kind"} <= set(frame.columns)
