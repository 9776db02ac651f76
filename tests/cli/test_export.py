"""`gym-llm export`: every format, what it prints, and what it refuses."""

import json
import sys
import zipfile
from pathlib import Path

import datasets
import pytest

from gym_llm.cli import main
from gym_llm.rollouts.records import FailureRecord
from tests.support.runs import make_run, rollout


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run: a task solved once of two times, one never, and a failure."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    failure = FailureRecord(kind="budget", cause="x", message="y")
    rollouts = [rollout(0, 0, 1.0), rollout(0, 1), rollout(1), rollout(1, 1, failure=failure)]
    return make_run(tmp_path / "run", rollouts).path


def export(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    assert main(["export", *map(str, words), "--json"]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        pytest.param(["hf"], "out", {"rollouts": 3}, id="hf-folder"),
        pytest.param(["hf", "--failures"], "out.parquet", {"rollouts": 4}, id="hf-parquet"),
        pytest.param(["sft"], "out.jsonl", {"examples": 1}, id="sft"),
        pytest.param(
            ["sft", "--min-reward", "0", "--best", "2"], "o.jsonl", {"examples": 3}, id="sft-all"
        ),
        pytest.param(["preferences"], "out.jsonl", {"pairs": 1}, id="preferences"),
        pytest.param(["preferences", "--margin", "1.5"], "out.jsonl", {"pairs": 0}, id="margin"),
        pytest.param(["inspect"], "out.eval", {"logs": 1}, id="inspect"),
    ],
)
def test_formats(
    words: list[str],
    name: str,
    expected: dict[str, int],
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / name
    found = export(capsys, run, "--format", *words, "--output", output)
    assert found == {"format": words[0], **expected, "outputs": [str(output)]}
    assert output.exists()


def test_nemo_gym(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = export(capsys, run, "--format", "nemo-gym", "--output", tmp_path / "nemo.jsonl")
    outputs = found["outputs"]
    assert isinstance(outputs, list)
    assert outputs[0] == str(tmp_path / "nemo.jsonl")
    assert len((tmp_path / "nemo.jsonl").read_text().splitlines()) == 3


def test_inspect_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export(capsys, run, "--format", "inspect", "--output", tmp_path / "logs")
    [path] = (tmp_path / "logs").iterdir()
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert "header.json" in archive.namelist()


def test_plain_output_names_count_and_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.jsonl"
    assert main(["export", str(run), "--format", "sft", "--output", str(output)]) == 0
    assert capsys.readouterr().out == f"1 examples: {output}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["sft"], "--format sft needs --output", id="no-output"),
        pytest.param(
            ["hf", "--output", "x", "--min-reward", "1", "--margin", "0"],
            "--margin is not an option of --format hf",
            id="option-of-another-format",
        ),
        pytest.param(["mlflow", "--output", "x"], "only with --offline", id="mlflow-output"),
    ],
)
def test_what_cannot_work_is_refused(
    words: list[str], message: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--format", *words]) == 2
    assert message in capsys.readouterr().err


def test_existing_output_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("hf", "sft", "preferences", "nemo-gym", "inspect"):
        assert main(["export", str(run), "--format", name, "--output", str(tmp_path / "run")]) == 2
        assert "exists already" in capsys.readouterr().err


def test_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = str(tmp_path / "out")
    assert main(["export", str(tmp_path), "--format", "sft", "--output", output]) == 2
    assert "not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_missing_tracker_names_the_extra(
    name: str, run: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["export", str(run), "--format", name, "--offline"]) == 2
    assert f'pip install "gym-llm[{name}]"' in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore")  # Those of the trackers are not ours to mend.
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_trackers_offline(
    name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(name)
    output = tmp_path / "store"
    found = export(
        capsys, run, "--format", name, "--offline", "--project", "p", "--output", output, "--rows", 2
    )
    assert found["format"] == name
    assert any(output.iterdir())
