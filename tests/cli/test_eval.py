"""``gym-llm eval``: baselines, bad usage, exit codes, the folder of the run."""

import json
from pathlib import Path

import pytest

from gym_llm.cli import main


def evaluate(*argv: str, output: Path) -> int:
    return main(["eval", *argv, "--output", str(output)])


def test_without_a_model_the_baseline_plays_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("MCQA", "gym_llm/Blackjack-v0", "--limit", "3", output=tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert "no model configured" in err
    assert "6/6" in err
    assert "gym_llm/MCQA-v0" in out
    assert "mean_reward" in out
    assert "0 of 3 failed" in out
    assert "95 % interval" in out
    assert len((tmp_path / "run" / "rollouts.jsonl").read_text().splitlines()) == 6


def test_json_output_has_the_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        evaluate("MCQA", "--agent", "reference", "--repeats", "2", "--json", output=tmp_path / "run")
        == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["agent"] == "reference"
    metrics = result["metrics"]["environments"]["gym_llm/MCQA-v0"]["metrics"]
    assert metrics["mean_reward"]["value"] == 1.0
    assert metrics["pass@2"] == {"value": 1.0, "low": 1.0, "high": 1.0} | metrics["pass@2"]
    assert metrics["pass@2"]["tasks"] == 8


def test_same_seed_gives_the_same_rewards(tmp_path: Path) -> None:
    def rewards(name: str, seed: str) -> list[float]:
        evaluate("MCQA", "--agent", "random", "--repeats", "3", "--seed", seed, output=tmp_path / name)
        lines = map(json.loads, (tmp_path / name / "rollouts.jsonl").read_text().splitlines())
        return [r["reward"] for r in sorted(lines, key=lambda r: (r["task_index"], r["repeat"]))]

    assert rewards("a", "1") == rewards("b", "1") != rewards("c", "2")


def test_environment_arguments_reach_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = evaluate(
        "MCQA", "--agent", "null", "--env-arg", "grading_mode=loose", output=tmp_path / "run"
    )
    assert code == 2
    assert "grading_mode must be one of" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["MQCA"], "unknown environment 'MQCA'; did you mean", id="unknown-id"),
        pytest.param(
            ["MCQA", "--agent", "rnadom"],
            "unknown agent 'rnadom'; did you mean random",
            id="unknown-agent",
        ),
        pytest.param(
            ["MCQA", "--env-arg", "x"], "--env-arg needs NAME=VALUE, got 'x'", id="env-arg-without-value"
        ),
        pytest.param(
            ["MCQA", "--env-arg", "x=1"], "unknown argument of MCQAEnv 'x'", id="unknown-argument"
        ),
        pytest.param(
            ["MCQA", "--model", "m"], "model 'm' needs a base URL or a preset", id="model-without-url"
        ),
        pytest.param(
            ["MCQA", "--base-url", "http://x"],
            "--base-url is given but no --model",
            id="url-without-model",
        ),
        pytest.param(["MCQA", "--tasks", "tset"], "unknown task set 'tset'", id="unknown-split"),
        pytest.param(["SimpleQA"], "GYM_LLM_JUDGE_BASE_URL", id="judge-not-configured"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_two(
    tmp_path: Path,
    argv: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("GYM_LLM_MODEL", "GYM_LLM_BASE_URL", "GYM_LLM_JUDGE_BASE_URL", "GYM_LLM_JUDGE_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert evaluate(*argv, output=tmp_path / "run") == 2
    errors = [
        line for line in capsys.readouterr().err.splitlines() if line.startswith("gym-llm: error:")
    ]
    assert len(errors) == 1
    assert message in errors[0]
    assert not (tmp_path / "run").exists()


def test_malformed_task_file_names_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text('{"question": "?", "options": [{"A": "x"}], "expected_answer": "A"}\n{oops\n')
    assert evaluate("MCQA", "--tasks", str(path), output=tmp_path / "run") == 2
    assert "tasks.jsonl, line 2: not valid JSON" in capsys.readouterr().err
    assert evaluate("MCQA", "--tasks", str(path), "--on-bad-row", "skip", output=tmp_path / "run") == 0


def test_folder_of_another_run_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("MCQA", "--agent", "null", output=tmp_path) == 0
    before = (tmp_path / "rollouts.jsonl").read_text()
    assert evaluate("MCQA", "--agent", "null", output=tmp_path) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (tmp_path / "rollouts.jsonl").read_text() == before
