"""``gym-llm profile``: tables, JSON, the task file, bad usage."""

import argparse
import json
from pathlib import Path

import pytest

from gym_llm.cli.profile import add_parser
from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.rollouts.records import FailureRecord
from tests.support.runs import MCQA, make_run, rollout

BLACKJACK = "gym_llm/Blackjack-v0"
BROKEN = FailureRecord(kind="model_timeout", cause="no answer in time", message="")


def call(*argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["profile", *map(str, argv)])
    code: int = args.run(args)
    return code


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Pass rates 0, 1/2 and 1; a fourth task has only failed."""
    found = [rollout(t, r, float(r < t)) for t in range(3) for r in range(2)]
    return make_run(tmp_path / "run", [*found, rollout(3, failure=BROKEN)]).path


def words(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_bands_and_hardest_tasks_are_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run, "--top", "2") == 0
    out, err = capsys.readouterr()
    lines = words(out)
    assert lines[0] == [MCQA]
    assert lines[2] == ["unsolved", "0", "1", "33%", "0.000", "0"]
    assert lines[4] == ["medium", "0.3", "to", "below", "0.7", "1", "33%", "0.500", "0"]
    assert lines[6] == ["solved", "1", "1", "33%", "1.000", "0"]
    assert lines[7] == ["not", "measured", "-", "1", "-", "1"]
    assert [line[0] for line in lines[9:]] == ["task-0", "task-1"]
    assert lines[9] == ["task-0", "0.000", "0.000", "..", "0.658", "0.000", "2", "0"]
    assert "1 tasks have no rollout that counts and are in no band: task-3" in err


def test_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run, "--json", "--keep", "0-0.5") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["bands"][MCQA] == {"unsolved": 1, "hard": 0, "medium": 1, "easy": 0, "solved": 1}
    assert [t["pass_rate"] for t in record["tasks"]] == [0.0, 0.5, 1.0, None]
    assert record["kept"] == ["task-0", "task-1"]
    assert record["unmeasured"] == ["task-3"]


def test_kept_tasks_are_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kept.jsonl"
    assert call(run, "--keep", "0.1..0.9", "--output", path) == 0
    out, err = capsys.readouterr()
    assert f"kept 1 of 4 tasks, written to {path}" in out
    assert "nor kept: task-3" in err
    assert [json.loads(line)["task_id"] for line in path.read_text().splitlines()] == ["task-1"]


def test_a_threshold_moves_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "run", [rollout(0, reward=0.4)]).path
    assert call(run, "--threshold", "0.4", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tasks"][0]["band"] == "solved"


def test_task_names_are_shown_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = rollout(0).model_copy(update={"task_id": "[red]task[/red]"})
    assert call(make_run(tmp_path / "run", [odd]).path) == 0
    assert "[red]task[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--keep", "low..high"], "--keep needs LOW..HIGH"),
        (["--keep", "0.9..0.1"], "low first"),
        (["--output", "x.jsonl"], "--output needs --keep"),
        (["--keep", "0.6..0.9", "--output", "x.jsonl"], "no task has a pass rate within 0.6..0.9"),
    ],
)
def test_bad_usage(argv: list[str], message: str, run: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        call(run, *argv)
    assert message in str(caught.value)


def test_several_environments_need_a_name_to_keep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [rollout(0, reward=1.0), rollout(0, env_id=BLACKJACK, reward=1.0)]
    run = make_run(tmp_path / "run", found).path
    with pytest.raises(ConfigError, match="--keep needs --env ID"):
        call(run, "--keep", "0..1")
    with pytest.raises(UnknownNameError, match=r"did you mean gym_llm/MCQA-v0"):
        call(run, "--env", "gym_llm/MCQB-v0")
    assert call(run, "--env", "MCQA", "--keep", "0..1", "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["bands"]) == [MCQA]


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        call(tmp_path)
