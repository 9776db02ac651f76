"""``gym-llm rescore``: what is printed, exit codes, the new run, bad usage."""

import argparse
import json
from pathlib import Path

import pytest

from gym_llm.cli.rescore import add_parser
from gym_llm.errors import ConfigError
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.played import FAULTY, played, played_run
from tests.support.runs import MCQA, make_run, rollout

SIMPLE_QA = "gym_llm/SimpleQA-v0"


def call(*argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["rescore", *map(str, argv)])
    code: int = args.run(args)
    return code


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return played_run(tmp_path / "run", [played(MCQA, task) for task in range(3)]).path


def tamper(run: Path) -> None:
    """Make the first stored reward 0.5."""
    path = run / "rollouts.jsonl"
    first, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([json.dumps({**json.loads(first), "reward": 0.5}) + "\n", *rest]))


def test_a_run_that_is_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(run, "--check") == 0
    out, err = capsys.readouterr()
    assert out == (
        "3 rollouts rescored: 0 with another reward, 0 that go another way, 0 failed; "
        "0 had failed in the run\n"
    )
    assert "3/3" in err


def test_a_changed_reward_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(run)
    assert call(run) == 0
    out = capsys.readouterr().out
    assert [MCQA, "mcqa-0", "return", "0", "0.5", "1"] in [line.split() for line in out.splitlines()]
    assert "1 with another reward" in out
    assert call(run, "--check") == 1


def test_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(run)
    assert call(run, "--json", "--check") == 1
    assert json.loads(capsys.readouterr().out) == {
        "graded": 3,
        "left_out": {},
        "kept_failures": 0,
        "changes": [
            {
                "env_id": MCQA,
                "task_id": "mcqa-0",
                "task_index": 0,
                "repeat": 0,
                "component": None,
                "old": 0.5,
                "new": 1.0,
            }
        ],
        "divergences": [],
        "failures": [],
        "output": None,
    }


def test_a_new_run_is_written(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tamper(run)
    assert call(run, "--output", tmp_path / "new") == 0
    assert f"run folder: {tmp_path / 'new'}" in capsys.readouterr().out
    new = RunFolder(tmp_path / "new")
    assert [r.reward for r in new.rollouts()] == [1.0, 1.0, 1.0]
    assert new.manifest.command == ["rescore", str(run), "--output", str(tmp_path / "new")]
    assert call(new.path, "--check") == 0
    with pytest.raises(ConfigError, match="holds a run already"):
        call(run, "--output", tmp_path / "new")


def test_a_rollout_that_cannot_be_rescored_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    messages = [{"role": "assistant", "content": "plain"}]
    run = make_run(tmp_path / "run", [rollout(0, env_id=FAULTY, messages=messages, calls=[])]).path
    assert call(run) == 1
    assert "task-0 repeat 0: env_error: ValueError: plain trouble" in capsys.readouterr().out


def test_judged_environments_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", [rollout(t, env_id=SIMPLE_QA) for t in range(2)]).path
    assert call(run, "--check") == 0
    out, err = capsys.readouterr()
    assert out.startswith("0 rollouts rescored")
    assert f"{SIMPLE_QA}: 2 rollouts left out; --judge asks the judge again" in err


def test_workers(run: Path) -> None:
    assert call(run, "--check", "--workers", "2", "--step-timeout", "60") == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--workers", "-1"], "--workers must be 0 or more"),
        (["--step-timeout", "5"], "--step-timeout needs --workers"),
    ],
)
def test_bad_usage(argv: list[str], message: str, run: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        call(run, *argv)
