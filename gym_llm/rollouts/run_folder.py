"""The folder of a run: manifest, tasks, rollouts as they finish, failures, metrics."""

import json
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from gym_llm.errors import ConfigError
from gym_llm.rollouts.metrics import EnvMetrics
from gym_llm.rollouts.records import Rollout
from gym_llm.tasks import Task
from gym_llm.version import __version__

PACKAGES = ("gymnasium", "openai", "datasets", "math-verify")


class RunFolder:
    """Writes a run; every rollout is on disk before the next one is reported.

    ``manifest.json``: versions and arguments. ``tasks.jsonl``: the rows. ``rollouts.jsonl``: one line
    for each rollout that counts. ``failures.jsonl``: one for each that does not, with its cause.
    ``metrics.json``.

    Raises:
        ConfigError: the folder holds a run already.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        if (path / "manifest.json").exists():
            raise ConfigError(f"output folder {path} holds a run already; choose another")
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._files: dict[str, IO[str]] = {}
        self._write_json("manifest.json", {**manifest, "versions": versions()})

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()

    def add_tasks(self, env_id: str, tasks: Iterable[Task]) -> None:
        """Write the rows of an environment's tasks."""
        for task in tasks:
            row = task.row.model_dump(mode="json", exclude_none=True)
            self._append(
                "tasks.jsonl",
                {"env_id": env_id, "task_id": task.id, "task_index": task.index, "row": row},
            )

    def add_rollout(self, rollout: Rollout) -> None:
        """Write one rollout where it belongs."""
        self._append("rollouts.jsonl" if rollout.counts else "failures.jsonl", rollout.to_dict())

    def write_metrics(self, metrics: Iterable[EnvMetrics]) -> None:
        """Write the metrics."""
        self._write_json("metrics.json", {m.env_id: m.to_dict() for m in metrics})

    def _append(self, name: str, record: Mapping[str, Any]) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = (self.path / name).open("a", encoding="utf-8")
        file.write(json.dumps(record, default=str) + "\n")
        file.flush()

    def _write_json(self, name: str, value: Any) -> None:
        (self.path / name).write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Return the versions that can change a reward."""
    found = {"gym_llm": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
