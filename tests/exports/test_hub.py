"""The table of a run on disk."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import pytest

from gym_llm.errors import ConfigError
from gym_llm.exports.hub import write_dataset
from gym_llm.rollouts.loading import rollout_of
from gym_llm.rollouts.records import FailureRecord, Rollout
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.runs import make_run, rollout

ROLLOUTS = [rollout(0, answer="é漢"), rollout(1, reward=1.0)]
FAILED = rollout(2, failure=FailureRecord(kind="budget", cause="x", message="y"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tables are cached under a folder that ends with the test."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    yield
    datasets.enable_progress_bars()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path / "run", [*ROLLOUTS, FAILED])


def rollouts_of(table: datasets.Dataset) -> list[Rollout]:
    return [rollout_of(row) for row in table]


def test_folder(run: RunFolder, tmp_path: Path) -> None:
    assert write_dataset(run, tmp_path / "out") == 2
    assert rollouts_of(datasets.load_from_disk(tmp_path / "out")) == ROLLOUTS


def test_parquet_with_failures(run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    assert write_dataset(run, path, failures=True) == 3
    assert rollouts_of(datasets.Dataset.from_parquet(str(path))) == [*ROLLOUTS, FAILED]


def test_jsonl(run: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert write_dataset(run, path) == 2
    assert "é漢" in path.read_text(encoding="utf-8")
    features = datasets.load_dataset("json", data_files=str(path), split="train").features
    assert features["reward"] == datasets.Value("float64")


@pytest.mark.parametrize("name", ["out", "out.parquet", "out.jsonl"])
def test_empty_run(name: str, tmp_path: Path) -> None:
    assert write_dataset(make_run(tmp_path / "run", []), tmp_path / name) == 0
    assert (tmp_path / name).exists()


def test_nothing_is_overwritten(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        write_dataset(run, tmp_path / "out")
