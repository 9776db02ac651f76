"""The run folder: what is written and read back, what is refused, what is repaired."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gym_llm.errors import ConfigError, DataError, RowError
from gym_llm.rollouts.metrics import summarise
from gym_llm.rollouts.records import FAILURE_KINDS, FailureRecord, Rollout, json_schema
from gym_llm.rollouts.run_folder import RunFolder, RunWriter, differing, digest
from tests.support.runs import MCQA, make_run, rollout

FAILURE = FailureRecord(kind="model_http", cause="HTTP 400", message="no")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_of_a_run(tmp_path: Path) -> None:
    found = [rollout(0, reward=1.0), rollout(1, failure=FAILURE), rollout(2)]
    folder = make_run(tmp_path / "run", found)
    assert [t["task_id"] for t in lines(folder.path / "tasks.jsonl")] == ["task-0", "task-1", "task-2"]
    assert [r["task_id"] for r in lines(folder.path / "rollouts.jsonl")] == ["task-0", "task-2"]
    assert [r["task_id"] for r in lines(folder.path / "failures.jsonl")] == ["task-1"]
    assert list(folder.everything()) == found
    assert folder.manifest.environments[MCQA].digest == digest(folder.tasks())
    assert folder.metrics() == {}
    with RunWriter(folder.path, folder.manifest, resume=True) as writer:
        writer.write_metrics(summarise(found).to_dict())
    assert folder.metrics()["environments"][MCQA]["counts"]["failed"] == {"model_http": 1}


def test_a_rollout_is_on_disk_while_the_run_goes_on(tmp_path: Path) -> None:
    manifest = make_run(tmp_path / "model", [rollout(0)]).manifest
    with RunWriter(tmp_path / "run", manifest) as writer:
        assert not writer.has_tasks
        writer.add(rollout(0))
        assert [r.task_index for r in RunFolder(tmp_path / "run").rollouts()] == [0]


def test_files_are_what_the_schema_says(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    found = [rollout(0, reward=1.0, messages=messages), rollout(1, failure=FAILURE)]
    folder = make_run(tmp_path / "run", found)
    schemas = json_schema()
    jsonschema.validate(
        json.loads((folder.path / "manifest.json").read_text()), schemas["manifest.json"]
    )
    for name in ("tasks.jsonl", "rollouts.jsonl", "failures.jsonl"):
        assert lines(folder.path / name)
        for record in lines(folder.path / name):
            jsonschema.validate(record, schemas[name])


@pytest.mark.parametrize(
    "text", ["\ud800 alone", "\x00\x1b[31m", "line\u2028break", "é" * 1000], ids=ascii
)
def test_any_text_of_a_model_is_written_as_one_line(tmp_path: Path, text: str) -> None:
    messages = [{"role": "assistant", "content": text}]
    folder = make_run(tmp_path / "run", [rollout(0, messages=messages), rollout(1)])
    first, second = folder.everything()
    assert first.messages[0]["content"] == text.replace("\ud800", "?")
    assert second.task_index == 1


def test_fields_that_json_does_not_know_become_text(tmp_path: Path) -> None:
    verification = {"reward": 0.0, "rewards": {}, "fields": {"path": Path("a"), "set": {1}}}
    folder = make_run(tmp_path / "run", [rollout(0, verification=verification)])
    (found,) = folder.rollouts()
    assert found.fields == {"path": "a", "set": [1]} or found.fields == {"path": "a", "set": "{1}"}


def test_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [rollout(0)])
    with pytest.raises(ConfigError, match="holds a run already"):
        RunWriter(folder.path, folder.manifest)


def test_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"it has no manifest\.json"):
        RunFolder(tmp_path)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [rollout(0)])
    with (
        RunWriter(folder.path, folder.manifest, resume=True),
        pytest.raises(ConfigError, match="another process writes"),
    ):
        RunWriter(folder.path, folder.manifest, resume=True)
    RunWriter(folder.path, folder.manifest, resume=True).close()


def test_resuming_forgets_failures_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [rollout(0), rollout(1, failure=FAILURE)])
    with RunWriter(folder.path, folder.manifest, resume=True, keeps_failures=True) as writer:
        assert writer.done == {(MCQA, 0, 0), (MCQA, 1, 0)}
    with RunWriter(folder.path, folder.manifest, resume=True) as writer:
        assert writer.done == {(MCQA, 0, 0)}
    assert list(folder.failures()) == []


@pytest.mark.parametrize("cut", [1, 20, 100_000])
def test_a_torn_last_line_is_left_out_and_cut_off(tmp_path: Path, cut: int) -> None:
    folder = make_run(tmp_path / "run", [rollout(0), rollout(1)])
    path = folder.path / "rollouts.jsonl"
    first = path.read_bytes().index(b"\n") + 1
    path.write_bytes(path.read_bytes()[: max(first + 1, path.stat().st_size - cut)])
    assert [r.task_index for r in folder.rollouts()] == [0]
    with RunWriter(folder.path, folder.manifest, resume=True) as writer:
        assert writer.done == {(MCQA, 0, 0)}
        writer.add(rollout(1))
    assert [r.task_index for r in folder.rollouts()] == [0, 1]


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [rollout(0), rollout(1)])
    path = folder.path / "rollouts.jsonl"
    path.write_text(path.read_text().replace('"turns":1', '"turns":"many"', 1))
    with pytest.raises(RowError, match=r"rollouts\.jsonl, line 1: turns: "):
        list(folder.rollouts())


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", [rollout(0)])
    path = folder.path / "manifest.json"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(DataError, match="needs a newer gym_llm"):
        _ = folder.manifest


def test_differences_of_two_runs_are_named(tmp_path: Path) -> None:
    ours = make_run(tmp_path / "a", [rollout(0)]).manifest
    same = ours.model_copy(update={"created_at": 5.0, "command": ["x"], "versions": {"numpy": "9"}})
    assert differing(ours, same) == []
    other = ours.model_copy(update={"agent": "null", "shard": (1, 2)})
    assert differing(ours, other) == ['agent was "random", now "null"', "shard was null, now [1, 2]"]


def test_kinds_of_failures_and_what_counts() -> None:
    assert len(FAILURE_KINDS) == 8
    assert not rollout(0, failure=FAILURE).counts
    assert rollout(0, state="truncated").counts
    assert isinstance(rollout(0), Rollout)
    assert rollout(0).total("output_tokens") == 3
    assert rollout(0).cost is None
