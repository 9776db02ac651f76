"""Runs in MLflow."""

import json
import os
import re
from pathlib import Path
from typing import Any

from gym_llm.errors import MissingExtraError
from gym_llm.exports.tracked import MAX_ROWS, config_of, metrics_of, table_of
from gym_llm.rollouts.run_folder import RunFolder

_PARAMS, _METRICS, _PARAM_CHARS = 100, 1000, 500
"""Most parameters and metrics of one request, and characters of a parameter, that every server takes."""


def log_run(
    run: RunFolder,
    *,
    project: str = "gym_llm",
    name: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    offline: bool = False,
    artifact: bool = False,
    rows: int = MAX_ROWS,
) -> str:
    """Log a run: parameters, headline metrics, a table of rollouts; return its id in MLflow.

    The table is the artifact ``rollouts.json``, the manifest ``manifest.json``. Characters that MLflow
    does not take in names become ``_``.

    Args:
        run: the run.
        project: MLflow experiment; made if it does not exist.
        name: name of the run there; that of the run's folder by default.
        folder: of the store that ``offline`` writes to, ``./mlflow`` by default; look at it with
            ``mlflow server --backend-store-uri sqlite:///FOLDER/mlflow.db``.
        offline: write to a store on this machine, and not to the server or store that MLflow is set to
            (``MLFLOW_TRACKING_URI``).
        artifact: also upload all files of the run's folder, under ``run``.
        rows: rollouts in the table at most.

    Raises:
        MissingExtraError: mlflow is not installed.
        DataError: the run cannot be read.
    """
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param
    except ImportError as error:
        raise MissingExtraError("mlflow", "mlflow") from error
    from pandas import DataFrame

    columns, data = table_of(run, rows)
    config, manifest = config_of(run), run.manifest
    begun = round(manifest.created_at * 1000)
    params = [Param(_name(key), _text(value)) for key, value in config.items()]
    metrics = [Metric(_name(key), value, begun, 0) for key, value in metrics_of(run).items()]
    store = Path(folder or "mlflow").resolve() if offline else None
    client = MlflowClient(_database(store) if store else None)
    experiment = client.get_experiment_by_name(project)
    if experiment is None:
        artifacts = (store / "artifacts").as_uri() if store else None
        experiment_id = client.create_experiment(project, artifact_location=artifacts)
    else:
        experiment_id = experiment.experiment_id
    tracked = client.create_run(experiment_id, begun, run_name=name or run.path.resolve().name)
    run_id: str = tracked.info.run_id
    status = "FAILED"
    try:
        for first in range(0, len(params), _PARAMS):
            client.log_batch(run_id, params=params[first : first + _PARAMS])
        for first in range(0, len(metrics), _METRICS):
            client.log_batch(run_id, metrics=metrics[first : first + _METRICS])
        client.log_dict(run_id, manifest.model_dump(mode="json"), "manifest.json")
        if columns:
            client.log_table(run_id, DataFrame(data, columns=columns), "rollouts.json")
        if artifact:
            client.log_artifacts(run_id, str(run.path), "run")
        status = "FINISHED"
    finally:
        client.set_terminated(run_id, status)
    return run_id


def _database(store: Path) -> str:
    store.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{store / 'mlflow.db'}"


def _name(text: str) -> str:
    """Return a name that MLflow takes; pass@4 and pass^4 must not become the same."""
    return re.sub(r"[^\w\-. :/]", "_", text.replace("@", "_at_").replace("^", "_hat_"), flags=re.ASCII)


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text[:_PARAM_CHARS]
