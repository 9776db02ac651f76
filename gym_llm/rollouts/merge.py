"""One run out of its shards: the union of their rollouts, checked and in one order."""

import hashlib
import heapq
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import pydantic
from pydantic import BaseModel

from gym_llm.errors import ConfigError, DataError, RowError
from gym_llm.rollouts.plan import expected_rollouts
from gym_llm.rollouts.records import Key, Manifest, Rollout, TaskRecord
from gym_llm.rollouts.run_folder import (
    FAILURES,
    ROLLOUTS,
    TASKS,
    RunFolder,
    RunWriter,
    differing,
    digest,
)
from gym_llm.tasks import describe_validation

MOST_NAMED = 10
"""Tasks or rollouts that one message names."""

RunPath = str | os.PathLike[str]
R = TypeVar("R", bound=BaseModel)
K = TypeVar("K", bound=tuple[Any, ...])


@dataclass(frozen=True)
class Merged:
    """What `merge` made."""

    folder: RunFolder
    rollouts: int
    """Rollouts that count."""
    failures: int
    missing: dict[str, list[int]]
    """By environment: tasks of which a rollout is missing."""
    missing_rollouts: int
    notes: list[str]
    """What was done that a reader should know of, a sentence each."""


def merge(
    runs: Sequence[RunPath],
    output: RunPath,
    *,
    partial: bool = False,
    any_versions: bool = False,
    command: Sequence[str] = (),
) -> Merged:
    """Write the union of runs that are shards of one run, as one machine would have made it.

    Where several runs have the same rollout, one that counts is taken before one that failed; two that
    count must be equal but for their times. Rollouts come sorted by environment, task and repeat. Memory
    grows with the number of rollouts, not with their size.

    Args:
        runs: folders of runs, equal in everything that makes a rollout what it is.
        output: folder of the merged run, new or empty. It can be resumed like any other.
        partial: merge what there is when shards, or rollouts of them, are missing.
        any_versions: take runs together that were made with different versions of packages.
        command: what the merged manifest says of where it comes from.

    Raises:
        ConfigError: the runs are not shards of one run, or incomplete, or the output holds a run.
        DataError: two runs have different records of one rollout or task, or a file is damaged.
    """
    folders = [RunFolder(run) for run in runs]
    if not folders:
        raise ConfigError("merge needs the folder of at least one run")
    manifests = [folder.manifest for folder in folders]
    notes = _check_same_run(folders, manifests, any_versions)
    merged = _whole_run(manifests, command)
    order = {env_id: number for number, env_id in enumerate(merged.environments)}

    tasks = _Index(TaskRecord, lambda t: (t.env_id, t.task_index), lambda t: t.model_dump(mode="json"))
    rollouts = _Index(Rollout, lambda r: r.key, Rollout.without_times)
    for folder in folders:
        tasks.read(folder.path / TASKS)
        for name in (ROLLOUTS, FAILURES):
            rollouts.read(folder.path / name, is_better=name == ROLLOUTS)
    for index in (tasks, rollouts):
        index.raise_conflicts()
    _check_belongs(rollouts.places, merged)
    notes += rollouts.notes()

    missing = _missing(rollouts.places, merged)
    lacking = _describe_missing(manifests, missing, merged)
    if lacking and not partial:
        raise ConfigError(f"{lacking}; --partial merges what is there")
    notes += [lacking] if lacking else []
    _check_tasks(tasks, merged, order)

    with RunWriter(output, merged) as writer:
        writer.write_tasks(tasks.in_order(order))
        for rollout in rollouts.in_order(order):
            writer.add(rollout)
        # Read again from disk, so that no more than one rollout is in memory at a time.
        writer.write_metrics(_metrics(writer, order))
    failures = sum(not place.is_better for place in rollouts.places.values())
    return Merged(
        folder=RunFolder(output),
        rollouts=len(rollouts.places) - failures,
        failures=failures,
        missing={env_id: sorted({task for task, _ in found}) for env_id, found in missing.items()},
        missing_rollouts=sum(map(len, missing.values())),
        notes=notes,
    )


def _metrics(folder: RunFolder, order: dict[str, int]) -> dict[str, Any]:
    from gym_llm.rollouts.metrics import summarise

    ordered = heapq.merge(
        folder.rollouts(), folder.failures(), key=lambda r: (order[r.env_id], r.task_index, r.repeat)
    )
    expected = expected_rollouts(folder.manifest)
    found: dict[str, Any] = summarise(ordered, expected=expected, tasks=folder.tasks()).to_dict()
    return found


# --- manifests


def _check_same_run(
    folders: Sequence[RunFolder], manifests: Sequence[Manifest], any_versions: bool
) -> list[str]:
    """Return notes on package versions that differ; raise where the runs are not of one."""
    notes: list[str] = []
    first = manifests[0].model_copy(update={"shard": None})
    for folder, manifest in zip(folders[1:], manifests[1:], strict=True):
        differences = differing(first, manifest.model_copy(update={"shard": None}))
        if differences:
            raise ConfigError(
                f"{folder.path} is not of the same run as {folders[0].path}: {'; '.join(differences)}"
            )
        versions = [
            f"{name} {first.versions.get(name, 'none')} and {manifest.versions.get(name, 'none')}"
            for name in sorted({*first.versions, *manifest.versions})
            if first.versions.get(name) != manifest.versions.get(name)
        ]
        if versions:
            note = f"{folders[0].path} and {folder.path} were made with {', '.join(versions)}"
            if not any_versions:
                raise ConfigError(f"{note}; --any-versions merges them nevertheless")
            notes.append(note)
    return notes


def _whole_run(manifests: Sequence[Manifest], command: Sequence[str]) -> Manifest:
    versions: dict[str, list[str]] = {}
    for manifest in manifests:
        for name, version in manifest.versions.items():
            found = versions.setdefault(name, [])
            if version not in found:
                found.append(version)
    return manifests[0].model_copy(
        update={
            "shard": None,
            "command": [*command],
            "created_at": min(manifest.created_at for manifest in manifests),
            "versions": {name: ", ".join(found) for name, found in versions.items()},
        }
    )


# --- records


class _Place(NamedTuple):
    """Where a record is, and what it is without being read again."""

    path: Path
    offset: int
    content: bytes
    """Digest of what must be equal."""
    is_better: bool
    """False for records that give way to others of their key: rollouts that failed."""


class _Index(Generic[R, K]):
    """The records of one kind in all runs, by key; the records themselves stay on disk."""

    def __init__(
        self, model: type[R], key: Callable[[R], K], content: Callable[[R], dict[str, Any]]
    ) -> None:
        self._model, self._key, self._content = model, key, content
        self.places: dict[K, _Place] = {}
        self._conflicts: list[tuple[K, _Place, _Place]] = []
        self._repeated = self._replaced = self._failed_twice = 0

    def read(self, path: Path, is_better: bool = True) -> None:
        """Take the records of a file in; a torn last line is left out."""
        for offset, record in _records(path, self._model):
            plain = json.dumps(self._content(record), sort_keys=True, default=str)
            content = hashlib.blake2b(plain.encode("utf-8", "replace"), digest_size=16).digest()
            self._add(self._key(record), _Place(path, offset, content, is_better))

    def _add(self, key: K, new: _Place) -> None:
        old = self.places.setdefault(key, new)
        if old is new:
            return
        if old.content == new.content and old.is_better == new.is_better:
            self._repeated += 1
        elif old.is_better != new.is_better:
            self._replaced += 1
            self.places[key] = old if old.is_better else new
        elif old.is_better:
            self._conflicts.append((key, old, new))
        else:
            self._failed_twice += 1

    def raise_conflicts(self) -> None:
        """Raise when one key has two different records."""
        if not self._conflicts:
            return
        named = [
            f"{_named(key)} in {old.path} and {new.path} ({', '.join(self._fields(old, new))})"
            for key, old, new in self._conflicts[:MOST_NAMED]
        ]
        more = len(self._conflicts) - len(named)
        raise DataError(
            f"different records of one {'task' if self._model is TaskRecord else 'rollout'}: "
            + "; ".join(named)
            + (f"; and {more} more" if more else "")
        )

    def _fields(self, old: _Place, new: _Place) -> list[str]:
        a, b = self._content(self.at(old)), self._content(self.at(new))
        return [name for name in a if a[name] != b.get(name)]

    def notes(self) -> list[str]:
        """Say what became of records that several runs had."""
        counts = {
            "rollouts are in several runs and equal; one of each is kept": self._repeated,
            "rollouts failed in one run and count in another; those that count are kept": self._replaced,
            "rollouts failed in several runs, in different ways; the first failure is kept": (
                self._failed_twice
            ),
        }
        return [f"{count} {what}" for what, count in counts.items() if count]

    def at(self, place: _Place) -> R:
        """Return the record of a place."""
        with place.path.open("rb") as file:
            file.seek(place.offset)
            return self._model.model_validate_json(file.readline())

    def in_order(self, order: dict[str, int]) -> Iterator[R]:
        """Return the records by environment, task and repeat, one at a time from disk."""
        for key in sorted(self.places, key=lambda key: (order.get(key[0], len(order)), *key)):
            yield self.at(self.places[key])


def _records(path: Path, model: type[R]) -> Iterator[tuple[int, R]]:
    """Return the records of a file with the offset of each."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        offset = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield offset, model.model_validate_json(line)
            except pydantic.ValidationError as error:
                raise RowError(str(path), number, describe_validation(error)) from error
            offset += len(line)


# --- completeness


def _check_belongs(places: dict[Key, _Place], run: Manifest) -> None:
    for key, place in places.items():
        env_id, task, repeat = key
        env = run.environments.get(env_id)
        if env is None or not 0 <= task < env.tasks or not 0 <= repeat < run.repeats:
            raise DataError(f"{place.path}: {_named(key)} is not of the run that the manifest describes")


def _missing(places: dict[Key, _Place], run: Manifest) -> dict[str, list[tuple[int, int]]]:
    """Return task and repeat of the rollouts that no run has, by environment."""
    found = {
        env_id: [
            (task, repeat)
            for task in range(env.tasks)
            for repeat in range(run.repeats)
            if (env_id, task, repeat) not in places
        ]
        for env_id, env in run.environments.items()
    }
    return {env_id: keys for env_id, keys in found.items() if keys}


def _describe_missing(
    manifests: Sequence[Manifest], missing: dict[str, list[tuple[int, int]]], run: Manifest
) -> str:
    """Return what is missing in words; empty when nothing is."""
    if not missing:
        return ""
    parts = []
    shards = {manifest.shard for manifest in manifests if manifest.shard}
    if len({total for _, total in shards}) == 1 and all(m.shard for m in manifests):
        total = next(iter(shards))[1]
        absent = [f"{number}/{total}" for number in range(1, total + 1) if (number, total) not in shards]
        if absent:
            parts.append(f"{len(shards)} of {total} shards are there, not {_some(absent)}")
    of_all = run.repeats * sum(env.tasks for env in run.environments.values())
    parts.append(f"{sum(map(len, missing.values()))} of {of_all} rollouts are missing")
    parts += [
        f"{env_id}: tasks {_some(sorted({task for task, _ in keys}))}"
        for env_id, keys in missing.items()
    ]
    return "; ".join(parts)


def _check_tasks(tasks: "_Index[TaskRecord, Any]", run: Manifest, order: dict[str, int]) -> None:
    """Raise when the rows are not those that the manifest's digests stand for."""
    counts = dict.fromkeys(run.environments, 0)
    for env_id, _ in tasks.places:
        counts[env_id] = counts.get(env_id, 0) + 1
    for env_id, env in run.environments.items():
        # Shards need not have the rows of tasks that are not theirs.
        if not env.digest or counts[env_id] != env.tasks:
            continue
        own = (record for record in tasks.in_order(order) if record.env_id == env_id)
        if digest(own) != env.digest:
            raise DataError(
                f"the rows of {env_id} in {TASKS} are not those that the manifest stands for"
            )


def _named(key: tuple[Any, ...]) -> str:
    env_id, task, *repeat = key
    return f"{env_id} task {task}" + (f" repeat {repeat[0]}" if repeat else "")


def _some(items: Sequence[object]) -> str:
    more = len(items) - MOST_NAMED
    return ", ".join(map(str, items[:MOST_NAMED])) + (f", ... ({more} more)" if more > 0 else "")
