"""MLflow, with a store on this machine."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import MissingExtraError
from gym_llm.exports.mlflow import log_run
from tests.exports.test_tracked import with_metrics
from tests.support.runs import MCQA

pytestmark = pytest.mark.filterwarnings("ignore")  # Those of mlflow itself are not ours to mend.


@pytest.fixture
def mlflow() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("mlflow")


def test_offline_store(mlflow: Any, tmp_path: Path) -> None:
    run = with_metrics(tmp_path / "run")
    store = tmp_path / "store"
    ids = [
        log_run(run, project="p", folder=store, offline=True, artifact=True),
        log_run(run, project="p", folder=store, offline=True, name="again", rows=1),
    ]
    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("p")
    found = {r.info.run_name: r for r in client.search_runs([experiment.experiment_id])}
    assert [found["run"].info.run_id, found["again"].info.run_id] == ids
    first = found["run"]
    assert first.info.status == "FINISHED"
    assert first.info.start_time == 10**12
    assert first.data.params["agent"] == "random"
    assert json.loads(first.data.params["environments"]) == [MCQA]
    assert first.data.metrics[f"{MCQA}/mean_reward"] == 0.5
    assert first.data.metrics[f"{MCQA}/pass_at_1"] == 0.5
    names = {a.path for a in client.list_artifacts(ids[0], "run")}
    assert {"run/manifest.json", "run/rollouts.jsonl"} <= names
    assert {a.path for a in client.list_artifacts(ids[1])} == {"manifest.json", "rollouts.json"}
    [path] = (store / "artifacts").rglob(f"{ids[1]}/artifacts/rollouts.json")
    table = json.loads(path.read_text())
    assert [row[table["columns"].index("reward")] for row in table["data"]] == [1.0]


def test_file_store(mlflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Newer versions want to be asked for it.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    run_id = log_run(with_metrics(tmp_path / "run"))
    tracked = mlflow.MlflowClient().get_run(run_id)
    assert tracked.data.metrics[f"{MCQA}/mean_reward_low"] == 0.0
    assert tracked.data.params["seed"] == "0"


def test_missing_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"gym-llm\[mlflow\]"):
        log_run(with_metrics(tmp_path / "run"))
