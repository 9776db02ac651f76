"""Runs in Weights & Biases."""

import os
from pathlib import Path
from typing import Any

from gym_llm.errors import MissingExtraError
from gym_llm.exports.tracked import MAX_ROWS, config_of, metrics_of, table_of
from gym_llm.rollouts.run_folder import RunFolder


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
    """Log a run: configuration, headline metrics, a table of rollouts; return its address or folder.

    Args:
        run: the run.
        project: W&B project; made if it does not exist.
        name: name of the run there; that of the run's folder by default.
        folder: where W&B keeps its own files; its default is ``./wandb``.
        offline: write to that folder only; ``wandb sync`` sends it later.
        artifact: also upload all files of the run's folder.
        rows: rollouts in the table at most.

    Raises:
        MissingExtraError: wandb is not installed.
        DataError: the run cannot be read.
    """
    try:
        import wandb
    except ImportError as error:
        raise MissingExtraError("wandb", "wandb") from error
    columns, data = table_of(run, rows)
    config, metrics = config_of(run), metrics_of(run)
    name = name or run.path.resolve().name
    with wandb.init(
        project=project,
        name=name,
        config=config,
        dir=None if folder is None else os.fspath(folder),
        mode="offline" if offline else None,
        # What this process prints is not part of the run.
        settings=wandb.Settings(console="off", silent=True),
    ) as tracked:
        logged: dict[str, Any] = {**metrics}
        if columns:
            # Rewards that are 1 in one row and 0.5 in the next are of one type to us.
            logged["rollouts"] = wandb.Table(columns=columns, data=data, allow_mixed_types=True)
        tracked.log(logged)
        if artifact:
            files = wandb.Artifact(f"run-{tracked.id}", type="gym_llm-run")
            files.add_dir(os.fspath(run.path))
            tracked.log_artifact(files)
        return str(Path(tracked.dir).parent if tracked.offline else tracked.url)
