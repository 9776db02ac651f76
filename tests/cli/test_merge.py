"""``gym-llm merge``: shards made by ``gym-llm eval`` become one run; exit codes and JSON."""

import json
from pathlib import Path

import pytest

from gym_llm.cli import main
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.runs import MCQA, make_run, rollout


def evaluate(output: Path, *arguments: str) -> Path:
    chosen = ["Blackjack", "MCQA", "--agent", "random", "--seed", "3", "--repeats", "2"]
    assert main(["eval", *chosen, *arguments, "--output", str(output), "--json"]) == 0
    return output


def test_merged_shards_are_the_run_of_one_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = RunFolder(evaluate(tmp_path / "whole"))
    shards = [evaluate(tmp_path / f"s{i}", "--shard", f"{i}/3") for i in (1, 2, 3)]
    capsys.readouterr()
    assert main(["merge", *map(str, shards), "--output", str(tmp_path / "merged"), "--json"]) == 0
    merged = RunFolder(tmp_path / "merged")
    assert [r.without_times() for r in merged.everything()] == [
        r.without_times() for r in whole.everything()
    ]
    assert list(merged.tasks()) == list(whole.tasks())
    assert merged.manifest.identity() == whole.manifest.identity()
    record = json.loads(capsys.readouterr().out)
    assert record["rollouts"] == len(list(whole.rollouts())) > 0
    assert (record["failures"], record["missing"], record["notes"]) == (0, 0, [])
    assert merged.manifest.command[0] == "merge"


def half(path: Path) -> str:
    make_run(path, [rollout(0, reward=1.0), rollout(1)], shard=(1, 2), repeats=2)
    return str(path)


def test_missing_rollouts_exit_with_2_and_name_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["merge", half(tmp_path / "s1"), "--output", str(tmp_path / "merged")]
    assert main(command) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "1 of 2 shards are there, not 2/2; 2 of 4 rollouts are missing" in said.err
    assert f"{MCQA}: tasks 0, 1; --partial" in said.err
    assert main([*command, "--partial"]) == 0
    said = capsys.readouterr()
    assert said.out == (
        f"2 rollouts that count, 0 failed, 2 missing\nrun folder: {tmp_path / 'merged'}\n"
    )
    assert said.err.startswith("note: 1 of 2 shards are there")


def test_json_lists_the_tasks_that_miss_rollouts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shard = half(tmp_path / "s1")
    assert main(["merge", shard, "--output", str(tmp_path / "m"), "--partial", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["missing_tasks"] == {MCQA: [0, 1]}
    assert record["missing"] == 2


def test_a_folder_without_a_run_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["merge", str(tmp_path), "--output", str(tmp_path / "m")]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err
