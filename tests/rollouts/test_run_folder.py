"""The run folder: what is written, and that nothing is overwritten."""

import json
from pathlib import Path

import pytest

from gym_llm.envs.knowledge.mcqa import MCQAEnv
from gym_llm.errors import ConfigError
from gym_llm.rollouts.metrics import summarise
from gym_llm.rollouts.records import Rollout
from gym_llm.rollouts.run_folder import RunFolder


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_files_of_a_run(tmp_path: Path) -> None:
    good = Rollout("gym_llm/MCQA-v0", "mcqa-0", 0, 0, 1, "completed", 1.0)
    bad = Rollout("gym_llm/MCQA-v0", "mcqa-1", 1, 0, 2, failure={"kind": "model_error", "message": "x"})
    with RunFolder(tmp_path / "run", {"agent": "null"}) as folder:
        folder.add_tasks("gym_llm/MCQA-v0", MCQAEnv.source().load("example")[:2])
        folder.add_rollout(good)
        assert lines(tmp_path / "run" / "rollouts.jsonl"), "on disk while the run goes on"
        folder.add_rollout(bad)
        folder.write_metrics(summarise([good, bad]).values())
    assert [t["task_id"] for t in lines(tmp_path / "run" / "tasks.jsonl")] == ["mcqa-0", "mcqa-1"]
    assert [r["task_id"] for r in lines(tmp_path / "run" / "rollouts.jsonl")] == ["mcqa-0"]
    assert [r["task_id"] for r in lines(tmp_path / "run" / "failures.jsonl")] == ["mcqa-1"]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["agent"] == "null"
    assert {"gym_llm", "gymnasium", "python"} <= set(manifest["versions"])
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["gym_llm/MCQA-v0"]["failed"] == 1


def test_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path, {})
    with pytest.raises(ConfigError, match="holds a run already"):
        RunFolder(tmp_path, {})
