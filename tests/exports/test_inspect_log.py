"""Logs for `inspect view`: what is in the zip, and that Inspect itself reads it."""

import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.exports.inspect_log import write_inspect_logs
from gym_llm.rollouts.records import (
    CallRecord,
    EnvRecord,
    FailureRecord,
    Manifest,
    ModelRecord,
    Rollout,
    TaskRecord,
)
from gym_llm.rollouts.run_folder import RunFolder, RunWriter
from tests.support.runs import MCQA, make_run, rollout

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": "é"}'}}
BROKEN = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"a": '}}
CONVERSATION = [
    {"role": "system", "content": "s"},
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "漢"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
            {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        ],
    },
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [CALL, BROKEN],
        "reasoning_content": "hm",
    },
    {"role": "tool", "tool_call_id": "c1", "content": "3"},
    {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "bad"}]},
    {"role": "assistant", "content": "3"},
]
MODEL = ModelRecord(name="tiny", base_url="http://localhost/v1", params={"temperature": 0.5})


def conversation() -> Rollout:
    return rollout(
        0,
        reward=1.5,
        rewards={"correct": 1.0, "format": 0.5},
        messages=CONVERSATION,
        turns=2,
        step_rewards=[0.5, 1.0],
        calls=[
            CallRecord(input_tokens=10, output_tokens=2, cached_tokens=4, finish_reason="tool_calls"),
            CallRecord(input_tokens=20, output_tokens=3, reasoning_tokens=1, finish_reason="length"),
        ],
    )


def rollouts() -> list[Rollout]:
    """Return two repeats of three tasks, in no order."""
    failure = FailureRecord(kind="model_http", cause="HTTP 400", message="no", traceback="Traceback")
    return [
        rollout(2, 0, 1.0, calls=[]),
        rollout(1, 1, 1.0, state="truncated"),
        conversation(),
        rollout(1, 0, 0.0),
        rollout(2, 1, failure=failure, calls=[]),
        rollout(0, 1, 0.5, rewards={"correct": 0.0, "format": 0.5}),
    ]


def write(folder: Path, *, name: str = "log.eval", **values: Any) -> Path:
    run = make_run(folder / "run", rollouts(), model=MODEL, agent="chat", created_at=1e9, **values)
    [path] = write_inspect_logs(run, folder / name)
    return path


def entries(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_entries(tmp_path: Path) -> None:
    assert list(entries(write(tmp_path))) == [
        *(f"samples/task-{task}_epoch_{epoch}.json" for task in range(3) for epoch in (1, 2)),
        "_journal/start.json",
        "summaries.json",
        "header.json",
    ]


def test_header(tmp_path: Path) -> None:
    header = entries(write(tmp_path))["header.json"]
    assert header["version"] == 2
    assert header["status"] == "success"
    assert header["eval"]["task"] == "MCQA-v0"
    assert header["eval"]["created"] == "2001-09-09T01:46:40.000+00:00"
    assert header["eval"]["dataset"]["sample_ids"] == ["task-0", "task-1", "task-2"]
    assert header["results"]["total_samples"] == 6
    assert header["results"]["completed_samples"] == 5
    # Means of the tasks: (1.5 + 0.5) / 2, (0 + 1) / 2, and 1 as the other rollout failed.
    [reward, *_] = header["results"]["scores"]
    assert reward["name"] == "reward"
    assert reward["metrics"]["mean"]["value"] == pytest.approx(2.5 / 3)
    assert reward["metrics"]["stderr"]["value"] == pytest.approx(1 / 6)
    assert header["stats"]["model_usage"]["tiny"] == {
        "input_tokens": 30,
        "output_tokens": 5,
        "total_tokens": 35,
        "input_tokens_cache_read": 4,
        "reasoning_tokens": 1,
    }


def test_run_that_broke_off_is_cancelled(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", rollouts()[:4])
    [path] = write_inspect_logs(run, tmp_path / "log.eval")
    header = entries(path)["header.json"]
    assert header["status"] == "cancelled"
    assert header["results"]["total_samples"] == 6
    assert header["results"]["completed_samples"] == 4


def test_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write(tmp_path, name="a.eval").read_bytes()
    write_inspect_logs(RunFolder(tmp_path / "run"), tmp_path / "b.eval")
    assert (tmp_path / "b.eval").read_bytes() == first


def test_folder_has_a_log_for_each_environment(tmp_path: Path) -> None:
    other = [rollout(0, env_id="other/Env-v0"), *rollouts()]
    run = make_run(tmp_path / "run", other, created_at=1e9, repeats=1)
    paths = write_inspect_logs(run, tmp_path / "logs")
    assert [path.name.rpartition("_")[0] for path in paths] == [
        "2001-09-09T01-46-40.000-00-00_MCQA-v0",
        "2001-09-09T01-46-40.000-00-00_Env-v0",
    ]
    assert [len(entries(path)["summaries.json"]) for path in paths] == [6, 1]
    with pytest.raises(ConfigError, match="2 environments"):
        write_inspect_logs(run, tmp_path / "one.eval")


def test_empty_run(tmp_path: Path) -> None:
    manifest = Manifest(agent="random", environments={MCQA: EnvRecord(tasks=2)})
    RunWriter(tmp_path / "run", manifest).close()
    [path] = write_inspect_logs(RunFolder(tmp_path / "run"), tmp_path / "log.eval")
    assert entries(path)["summaries.json"] == []
    assert entries(path)["header.json"]["status"] == "cancelled"


def test_tasks_of_one_name_stay_apart(tmp_path: Path) -> None:
    same = [rollout(task).model_copy(update={"task_id": "same"}) for task in range(2)]
    [path] = write_inspect_logs(make_run(tmp_path / "run", same), tmp_path / "log.eval")
    assert [s["id"] for s in entries(path)["summaries.json"]] == ["same", "same#1"]


def test_list_of_samples_shows_text(tmp_path: Path) -> None:
    [first, second, *_] = entries(write(tmp_path))["summaries.json"]
    assert first["input"] == "漢\n[image]\n[input_audio]"
    assert second["input"] == "Question 0?"
    assert first["scores"]["reward"] == {"value": 1.5, "answer": "A"}
    assert (first["message_count"], first["turn_count"]) == (6, 2)


def test_right_answer_comes_from_the_row(tmp_path: Path) -> None:
    manifest = Manifest(agent="random", environments={MCQA: EnvRecord(tasks=1)})
    row = {"expected_answer": ["B", "ü"]}
    with RunWriter(tmp_path / "run", manifest) as writer:
        writer.write_tasks([TaskRecord(env_id=MCQA, task_id="task-0", task_index=0, row=row)])
        writer.add(rollout(0))
    [path] = write_inspect_logs(RunFolder(tmp_path / "run"), tmp_path / "log.eval")
    sample = entries(path)["samples/task-0_epoch_1.json"]
    assert sample["target"] == '["B", "ü"]'
    assert sample["input"] == "Question 0?"


def test_inspect_reads_it(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_module = pytest.importorskip("inspect_ai.log")
        log = log_module.read_eval_log(str(write(tmp_path)))
    assert log.status == "success"
    assert log.eval.model == "tiny"
    assert log.eval.config.epochs == 2
    assert log.results.scores[0].metrics["mean"].value == pytest.approx(2.5 / 3)
    assert log.stats.model_usage["tiny"].total_tokens == 35
    samples = {(s.id, s.epoch): s for s in log.samples}
    assert set(samples) == {(f"task-{task}", epoch) for task in range(3) for epoch in (1, 2)}

    sample = samples["task-0", 1]
    assert {name: score.value for name, score in sample.scores.items()} == {
        "reward": 1.5,
        "correct": 1.0,
        "format": 0.5,
    }
    assert sample.scores["reward"].answer == "A"
    assert [m.role for m in sample.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]
    assert [part.type for part in sample.messages[1].content] == ["text", "image", "text"]
    assert sample.messages[1].content[2].text == "[input_audio]"
    good, broken = sample.messages[2].tool_calls
    assert (good.id, good.function, good.arguments, good.parse_error) == ("c1", "add", {"a": "é"}, None)
    assert broken.arguments == {"text": '{"a": '}
    assert "not a JSON object" in broken.parse_error
    assert sample.messages[2].content[0].reasoning == "hm"
    assert sample.messages[3].function == "add"
    assert [m.role for m in sample.input] == ["system", "user"]
    assert sample.output.completion == "3"
    assert sample.output.choices[0].stop_reason == "max_tokens"
    assert sample.model_usage["tiny"].input_tokens_cache_read == 4
    # The transcript refers to the messages instead of repeating them.
    turns = [event for event in sample.events if event.event == "model"]
    assert [[m.role for m in event.input] for event in turns] == [
        ["system", "user"],
        ["system", "user", "assistant", "tool", "tool"],
    ]
    assert [event.output.choices[0].stop_reason for event in turns] == ["tool_calls", "max_tokens"]
    assert [event.score.value for event in sample.events if event.event == "score"] == [1.5, 1.0, 0.5]
    assert sample.metadata["step_rewards"] == [0.5, 1.0]

    assert samples["task-1", 2].limit.type == "custom"
    failed = samples["task-2", 2]
    assert failed.error.message == "model_http: no"
    assert failed.scores == {}


def test_inspect_reads_one_sample_and_the_summaries(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log_module = pytest.importorskip("inspect_ai.log")
        path = str(write(tmp_path))
        sample = log_module.read_eval_log_sample(path, "task-1", 2)
        summaries = log_module.read_eval_log_sample_summaries(path)
        header = log_module.read_eval_log(path, header_only=True)
    assert sample.scores["reward"].value == 1.0
    assert [s.scores["reward"].value for s in summaries if "reward" in s.scores] == [
        1.5,
        0.5,
        0.0,
        1.0,
        1.0,
    ]
    assert [s.error for s in summaries][-1] == "model_http: no"
    assert header.samples is None
    assert header.status == "success"
