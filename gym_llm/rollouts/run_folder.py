"""The folder of a run: manifest, tasks, rollouts as they finish, failures, metrics."""

import fcntl
import hashlib
import json
import logging
import os
import platform
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pydantic

from gym_llm.errors import ConfigError, DataError, RowError
from gym_llm.rollouts.records import FORMAT_VERSION, Key, Manifest, Rollout, TaskRecord
from gym_llm.tasks import Task, describe_validation
from gym_llm.version import __version__

logger = logging.getLogger(__name__)

PACKAGES = ("gymnasium", "openai", "datasets", "math-verify")
MANIFEST, TASKS, ROLLOUTS, FAILURES, METRICS = (
    "manifest.json",
    "tasks.jsonl",
    "rollouts.jsonl",
    "failures.jsonl",
    "metrics.json",
)
T = TypeVar("T", bound=pydantic.BaseModel)


class RunFolder:
    """Reads the folder of a run; any of its files may be missing while the run goes on.

    ``manifest.json``: what the run is. ``tasks.jsonl``: the rows. ``rollouts.jsonl``: one line for each
    rollout that counts, in order of completion. ``failures.jsonl``: one for each that failed.
    ``metrics.json``: the metrics. See `gym_llm.rollouts.records` for the lines.

    Raises:
        ConfigError: the folder holds no run.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not (self.path / MANIFEST).is_file():
            raise ConfigError(f"{self.path} is not the folder of a run: it has no {MANIFEST}")

    @property
    def manifest(self) -> Manifest:
        """The manifest.

        Raises:
            DataError: it cannot be read, or a newer gym_llm wrote it.
        """
        path = self.path / MANIFEST
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("format_version", 0) > FORMAT_VERSION:
            raise DataError(f"{path}: format_version {raw['format_version']} needs a newer gym_llm")
        try:
            return Manifest.model_validate(raw)
        except pydantic.ValidationError as error:
            raise DataError(f"{path}: {describe_validation(error)}") from error

    @property
    def has_tasks(self) -> bool:
        """Whether the tasks are written; they are before the first rollout."""
        return (self.path / TASKS).is_file()

    def tasks(self) -> Iterator[TaskRecord]:
        """Return the tasks, in order."""
        return read_lines(self.path / TASKS, TaskRecord)

    def rollouts(self) -> Iterator[Rollout]:
        """Return the rollouts that count, in order of completion."""
        return read_lines(self.path / ROLLOUTS, Rollout)

    def failures(self) -> Iterator[Rollout]:
        """Return the rollouts that failed, in order of completion."""
        return read_lines(self.path / FAILURES, Rollout)

    def everything(self) -> Iterator[Rollout]:
        """Return rollouts and failures, sorted by environment, task and repeat.

        All are read before the first is returned, as they are sorted.
        """
        order = {env_id: number for number, env_id in enumerate(self.manifest.environments)}
        found = [*self.rollouts(), *self.failures()]
        found.sort(key=lambda r: (order.get(r.env_id, len(order)), r.env_id, r.task_index, r.repeat))
        return iter(found)

    def metrics(self) -> dict[str, Any]:
        """Return the metrics as they were written; empty before the end of the run."""
        path = self.path / METRICS
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return found


class RunWriter(RunFolder):
    """Writes a run; every rollout is on disk before the next one is reported.

    Args:
        path: the folder, new or empty unless ``resume``.
        manifest: what the run is.
        resume: go on with a run that broke off. Torn last lines are cut off; failures are forgotten,
            so that their rollouts run again, unless ``keeps_failures``.
        keeps_failures: leave rollouts that failed as they are.

    Raises:
        ConfigError: the folder holds a run and ``resume`` is not given, another process writes to it, or
            the run to resume is not the same; the message names each difference.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        manifest: Manifest,
        *,
        resume: bool = False,
        keeps_failures: bool = False,
    ) -> None:
        folder = Path(path)
        has_run = (folder / MANIFEST).exists()
        if has_run and not resume:
            raise ConfigError(f"output folder {folder} holds a run already; choose another, or --resume")
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, int] = {}
        self._lock = _locked(folder)
        self.done: set[Key] = set()
        """Keys of the rollouts that an earlier process has made."""
        try:
            if not has_run:
                _write_json(folder / MANIFEST, manifest.model_dump(mode="json"))
            super().__init__(folder)
            if has_run:
                self._take_up(manifest, keeps_failures)
        except BaseException:
            os.close(self._lock)
            raise

    def _take_up(self, manifest: Manifest, keeps_failures: bool) -> None:
        differences = differing(self.manifest, manifest)
        if differences:
            raise ConfigError(
                f"{self.path} cannot be resumed, it is another run: {'; '.join(differences)}"
            )
        repair(self.path / ROLLOUTS)
        repair(self.path / FAILURES)
        if not keeps_failures:
            (self.path / FAILURES).unlink(missing_ok=True)
        self.done = {r.key for r in (*self.rollouts(), *self.failures())}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files and let other processes in."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()
        os.close(self._lock)

    def write_tasks(self, tasks: Iterable[TaskRecord]) -> None:
        """Write the tasks of the whole run, in place of those that are there."""
        partial = self.path / f".{TASKS}"
        with partial.open("wb") as file:
            for task in tasks:
                file.write(encoded(task))
        partial.replace(self.path / TASKS)

    def add(self, rollout: Rollout) -> None:
        """Write one rollout where it belongs."""
        name = ROLLOUTS if rollout.counts else FAILURES
        if name not in self._files:
            self._files[name] = os.open(self.path / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        rest = memoryview(encoded(rollout))
        while rest:
            rest = rest[os.write(self._files[name], rest) :]

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write the metrics."""
        _write_json(self.path / METRICS, metrics)


def encoded(record: pydantic.BaseModel) -> bytes:
    """Return a record as a line of JSON; what UTF-8 or JSON cannot hold becomes text that they can."""
    try:
        return record.model_dump_json().encode() + b"\n"
    except (pydantic.ValidationError, ValueError, TypeError):
        # Lone surrogates in a model's text, or objects that a verifier put in its fields.
        plain = json.dumps(record.model_dump(), default=str, ensure_ascii=False)
        return plain.encode("utf-8", "replace") + b"\n"


def read_lines(path: Path, model: type[T]) -> Iterator[T]:
    """Return the lines of a file; a torn last line, as a killed process leaves it, is left out.

    Raises:
        RowError: a line is not what the model says; with file, line, field and reason.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                logger.warning("%s, line %d is torn and left out", path, number)
                return
            try:
                yield model.model_validate_json(line)
            except pydantic.ValidationError as error:
                raise RowError(str(path), number, describe_validation(error)) from error


def repair(path: Path) -> None:
    """Cut off a torn last line."""
    if not path.is_file():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        position = size
        while position > 0:
            start = max(0, position - (1 << 16))
            file.seek(start)
            found = file.read(position - start).rfind(b"\n")
            if found >= 0:
                position = start + found + 1
                break
            position = start
        if position < size:
            logger.warning("%s: its last line was torn, %d bytes are cut off", path, size - position)
            file.truncate(position)


def differing(ours: Manifest, theirs: Manifest) -> list[str]:
    """Return what two manifests differ in, in words; empty when they are of the same run."""
    a, b = ours.identity(), theirs.identity()
    names = list(dict.fromkeys([*a, *b]))
    # As JSON, in which the manifest was written: a tuple is a list there.
    return [
        f"{name} was {_shown(a.get(name))}, now {_shown(b.get(name))}"
        for name in names
        if _shown(a.get(name)) != _shown(b.get(name))
    ]


def _shown(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def task_record(env_id: str, task: Task) -> TaskRecord:
    """Return the record of a task."""
    row = task.row.model_dump(mode="json", exclude_none=True)
    return TaskRecord(env_id=env_id, task_id=task.id, task_index=task.index, row=row)


def digest(records: Iterable[TaskRecord]) -> str:
    """Return SHA-256 over the rows, in order."""
    found = hashlib.sha256()
    for record in records:
        found.update(json.dumps([record.task_id, record.row], sort_keys=True).encode() + b"\n")
    return found.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions that can change a reward."""
    found = {"gym_llm": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _locked(folder: Path) -> int:
    """Keep other processes from writing to the folder, as long as this one lives."""
    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigError(f"output folder {folder}: another process writes to it") from error
    return lock


def _write_json(path: Path, value: Any) -> None:
    partial = path.with_name(f".{path.name}")
    partial.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
    partial.replace(path)
