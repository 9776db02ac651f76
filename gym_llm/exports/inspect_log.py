"""Logs that ``inspect view`` opens: a zip of JSON entries, written without Inspect itself.

Entries of a log (version 2): ``header.json`` (what was run, status, results), ``_journal/start.json``
(its first half, as a log that goes on has it), ``summaries.json``, and ``samples/ID_epoch_N.json``.
A task is a sample, a repeat an epoch. Source: logs as written by Inspect 0.3.285.
"""

import hashlib
import json
import math
import re
import shutil
import tempfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from gym_llm.errors import ConfigError
from gym_llm.exports.files import LineReader, new_file, plain, refuse_existing, with_offsets
from gym_llm.exports.inspect_sample import iso_time, sample_of, summary_of, usage_of, values_of
from gym_llm.rollouts.plan import expected_rollouts
from gym_llm.rollouts.records import Manifest, Rollout, TaskRecord
from gym_llm.rollouts.run_folder import FAILURES, ROLLOUTS, TASKS, RunFolder

VERSION = 2
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""Time of every entry, so that a run always gives the same bytes."""


class _Line(NamedTuple):
    """Where a rollout stands; sorts by task and repeat."""

    task: int
    repeat: int
    file: str
    offset: int


def write_inspect_logs(run: RunFolder, path: Path) -> list[Path]:
    """Write one log for each environment of a run and return their paths.

    Args:
        run: the run; of one that was interrupted, what is there.
        path: ``NAME.eval`` where the run has one environment; else a new folder for the logs.

    Raises:
        ConfigError: ``path`` exists, or is one file for several environments.
        RowError: a line of the run cannot be read.
    """
    manifest = run.manifest
    if path.suffix == ".eval":
        if len(manifest.environments) != 1:
            raise ConfigError(
                f"--output {path}: the run has {len(manifest.environments)} environments and a log "
                "holds one; name a folder"
            )
        paths = {env_id: path for env_id in manifest.environments}
    else:
        refuse_existing(path)
        paths = {env_id: path / _file_name(manifest, env_id) for env_id in manifest.environments}
    lines, rows = _lines(run), _rows(run)
    for env_id, file in paths.items():
        _write_log(run, _Totals(manifest, env_id), lines.get(env_id, []), rows, file)
    return list(paths.values())


def _file_name(manifest: Manifest, env_id: str) -> str:
    """Return a name of the form that Inspect lists: time, task and id."""
    time = re.sub(r"[:+]", "-", iso_time(manifest.created_at))
    return f"{time}_{_task_name(env_id)}_{_id(manifest, env_id)}.eval"


def _task_name(env_id: str) -> str:
    return re.sub(r"\W+", "-", env_id.rpartition("/")[2])


def _id(manifest: Manifest, env_id: str) -> str:
    """Return an id that no other log has, though a run always gives the same."""
    return hashlib.sha256(f"{manifest.model_dump_json()} {env_id}".encode()).hexdigest()[:22]


def _lines(run: RunFolder) -> dict[str, list[_Line]]:
    found: dict[str, list[_Line]] = {}
    for name, records in ((ROLLOUTS, run.rollouts()), (FAILURES, run.failures())):
        for offset, r in with_offsets(run.path / name, records):
            found.setdefault(r.env_id, []).append(_Line(r.task_index, r.repeat, name, offset))
    return found


def _rows(run: RunFolder) -> dict[tuple[str, int], int]:
    """Return where the row of each task stands."""
    tasks = with_offsets(run.path / TASKS, run.tasks())
    return {(task.env_id, task.task_index): offset for offset, task in tasks}


def _write_log(
    run: RunFolder,
    totals: "_Totals",
    lines: list[_Line],
    rows: dict[tuple[str, int], int],
    path: Path,
) -> None:
    with (
        LineReader(run.path / ROLLOUTS, Rollout) as rollouts,
        LineReader(run.path / FAILURES, Rollout) as failures,
        LineReader(run.path / TASKS, TaskRecord) as tasks,
        tempfile.TemporaryFile() as summaries,
        new_file(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for line in sorted(lines):
            rollout = (rollouts if line.file == ROLLOUTS else failures).at(line.offset)
            place = rows.get((totals.env_id, line.task))
            row = {} if place is None else tasks.at(place).row
            sample = sample_of(rollout, totals.sample_id(rollout), row, totals.model)
            _write(archive, f"samples/{sample['id']}_epoch_{sample['epoch']}.json", _encoded(sample))
            # A zip has one open entry at a time, so the summaries wait in a file of their own.
            summaries.write(b",\n" if totals.rollouts else b"[")
            summaries.write(_encoded(summary_of(sample)))
            totals.add(rollout)
        summaries.write(b"]" if totals.rollouts else b"[]")
        summaries.seek(0)
        start = {
            "version": VERSION,
            "eval": totals.spec(),
            "plan": {"name": totals.manifest.agent, "steps": []},
        }
        _write(archive, "_journal/start.json", _encoded(start))
        with archive.open(_entry("summaries.json"), "w", force_zip64=True) as file:
            shutil.copyfileobj(summaries, file)
        _write(archive, "header.json", _encoded({**start, **totals.outcome()}))


def _encoded(value: Any) -> bytes:
    return json.dumps(plain(value), ensure_ascii=False).encode("utf-8", "replace")


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _write(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(_entry(name), content)


@dataclass
class _Totals:
    """What the header says of all samples."""

    manifest: Manifest
    env_id: str
    ids: dict[str, int] = field(default_factory=dict)
    """Sample id to task index."""
    scores: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    """For each score and task, the sum and the number of rollouts that have it."""
    usage: dict[str, Counter[str]] = field(default_factory=dict)
    rollouts: int = 0
    failed: int = 0
    first: float = math.inf
    last: float = 0.0

    @property
    def model(self) -> str:
        """Name of the model, or of the agent that played without one."""
        return self.manifest.model.name if self.manifest.model else self.manifest.agent

    def sample_id(self, rollout: Rollout) -> str:
        """Return the task's id, made unique where two tasks have the same."""
        if self.ids.setdefault(rollout.task_id, rollout.task_index) == rollout.task_index:
            return rollout.task_id
        unique = f"{rollout.task_id}#{rollout.task_index}"
        self.ids[unique] = rollout.task_index
        return unique

    def add(self, rollout: Rollout) -> None:
        """Count one rollout."""
        self.rollouts += 1
        self.failed += not rollout.counts
        for name, value in values_of(rollout).items():
            found = self.scores.setdefault(name, {}).setdefault(rollout.task_index, [0.0, 0])
            found[0] += value
            found[1] += 1
        for model, usage in usage_of(rollout.calls, self.model).items():
            self.usage.setdefault(model, Counter()).update(usage)
        self.first = min(self.first, rollout.timings.started_at)
        self.last = max(self.last, rollout.timings.started_at + rollout.timings.duration_s)

    def spec(self) -> dict[str, Any]:
        """Return what was run."""
        manifest, env = self.manifest, self.manifest.environments[self.env_id]
        model = manifest.model
        return {
            "eval_id": _id(manifest, self.env_id),
            "run_id": _id(manifest, self.env_id),
            "created": iso_time(manifest.created_at),
            "task": _task_name(self.env_id),
            "task_id": _id(manifest, self.env_id),
            "task_version": env.version or 0,
            "task_display_name": self.env_id,
            "task_registry_name": self.env_id,
            "task_args": env.kwargs,
            "dataset": {
                "name": self.env_id,
                "samples": env.tasks,
                "sample_ids": list(self.ids),
                "shuffled": False,
            },
            "model": self.model,
            **({"model_base_url": model.base_url} if model else {}),
            "model_args": model.params if model else {},
            "config": {"epochs": manifest.repeats, "fail_on_error": False},
            "packages": manifest.versions,
            "metadata": {"agent": manifest.agent, "seed": manifest.seed},
            "scorers": [{"name": name} for name in self.scores],
        }

    def outcome(self) -> dict[str, Any]:
        """Return status, results and statistics."""
        planned = expected_rollouts(self.manifest)[self.env_id]
        scores = [_score_of_log(name, tasks, len(self.ids)) for name, tasks in self.scores.items()]
        results = {
            "total_samples": max(planned, self.rollouts),
            "completed_samples": self.rollouts - self.failed,
            "scores": scores,
        }
        return {
            # Inspect's word for a run that ended before all samples had run.
            "status": "success" if self.rollouts >= planned else "cancelled",
            "results": results,
            "stats": {
                "started_at": iso_time(self.first) if self.rollouts else "",
                "completed_at": iso_time(self.last) if self.rollouts else "",
                "model_usage": {model: dict(usage) for model, usage in self.usage.items()},
            },
        }


def _score_of_log(name: str, tasks: dict[int, list[float]], all_tasks: int) -> dict[str, Any]:
    """Return mean and standard error over tasks, of each task's mean over its rollouts."""
    means = [total / count for total, count in tasks.values()]
    mean = math.fsum(means) / len(means)
    variance = math.fsum((x - mean) ** 2 for x in means) / max(1, len(means) - 1)
    metrics = {"mean": mean, "stderr": math.sqrt(variance / len(means))}
    return {
        "name": name,
        "scorer": name,
        "scored_samples": len(means),
        "unscored_samples": all_tasks - len(means),
        "metrics": {metric: {"name": metric, "value": value} for metric, value in metrics.items()},
    }
