"""``gym-llm compare``: what is printed, JSON, and exit codes of the gates."""

import argparse
import json
from pathlib import Path

import pytest

from gym_llm.cli.compare import add_parser
from gym_llm.errors import ConfigError
from tests.support.runs import MCQA, make_run, rollout


def call(*argv: str | Path) -> int:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    args = parser.parse_args(["compare", *map(str, argv)])
    code: int = args.run(args)
    return code


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """B wins tasks 1 and 2 and loses 3: the reward rises by 0.25, with an interval from -0.5 to 1."""

    def run(name: str, agent: str, rewards: list[float]) -> Path:
        found = [rollout(t, reward=r) for t, r in enumerate(rewards)]
        return make_run(tmp_path / name, found, agent=agent).path

    return run("a", "random", [1, 0, 0, 1]), run("b", "heuristic", [1, 1, 1, 0])


def test_everything_is_said(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*runs) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert 'agent: A "random", B "heuristic"' in out
    assert "4 tasks in both, 0 only in A, 0 only in B; failed rollouts: 0 in A, 0 in B" in out
    figures = ["0.5000", "0.7500", "+0.2500", "-0.5000", "..", "+1.0000", "1.3412"]
    assert ["mean", "reward", *figures] in lines
    assert ["pass", "rate", *figures] in lines
    assert "2 won, 1 lost, 1 passed by both, 0 by neither; McNemar's exact test: p = 1.0000" in out
    assert "won: task-1, task-2\nlost: task-3\n" in out
    assert "too few pairs for a verdict, 4 of 6: +0.2500 reward" in out


def test_json(runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*runs, "--json", "--gate", "pass>=0") == 1
    record = json.loads(capsys.readouterr().out)
    found = record["environments"][MCQA]
    assert found["metrics"]["reward"]["difference"] == 0.25
    assert (found["won"], found["lost"], found["p_value"]) == (["task-1", "task-2"], ["task-3"], 1.0)
    assert found["verdict"].startswith("too few pairs")
    assert record["differences"] == ['agent was "random", now "heuristic"']
    assert record["broken_gates"] == [f"{MCQA}: the lower end of pass is -0.5000, below +0"]


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["--gate", "reward>=-0.5"], 0),
        (["--gate", "reward>=-0.49"], 1),
        (["--gate", "reward>=-0.5", "--gate", "pass>=0.1"], 1),
        (["--fail-below", "0.25"], 0),
        (["--fail-below", "0.26"], 1),
        (["--fail-below", "-0.1", "--gate", "pass>=-1"], 0),
    ],
)
def test_gates(
    argv: list[str], code: int, runs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*runs, *argv) == code
    assert ("gate: " in capsys.readouterr().err) is bool(code)


def test_a_single_pair_passes_no_gate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = (make_run(tmp_path / name, [rollout(0, reward=1.0)]).path for name in "ab")
    assert call(a, b, "--gate", "reward>=-1") == 1
    assert "not known, with a single pair" in capsys.readouterr().err


def test_other_data_needs_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = make_run(tmp_path / "a", [rollout(0)]).path
    b = make_run(tmp_path / "b", [rollout(0, messages=[{"role": "user", "content": "Other?"}])]).path
    with pytest.raises(ConfigError, match="has another row"):
        call(a, b)
    assert call(a, b, "--force") == 0
    assert "1 tasks in both" in capsys.readouterr().out


def test_a_gate_that_cannot_be_read(runs: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match="a gate is reward or pass"):
        call(*runs, "--gate", "reward > 0")
