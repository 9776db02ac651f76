"""A run as one HTML page that needs nothing else: no network, no server, no other file.

The page holds its data as blocks of base64 over deflate: nothing in them can end a script or begin a
tag, and they are a fraction of the run's size. One block lists the rollouts; each other one holds about
a megabyte of records, unpacked when one of its rollouts is chosen. A policy lets the page run
its own script only, load nothing, and never parse text as HTML.
"""

import base64
import dataclasses
import hashlib
import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO

from gym_llm.errors import ConfigError
from gym_llm.messages import Message
from gym_llm.rollouts.records import Rollout, RolloutState
from gym_llm.rollouts.run_folder import RunFolder
from gym_llm.viewer.entries import Entry, count, entries
from gym_llm.viewer.visible import pretty

MAX_ROLLOUTS = 20_000
MAX_PAGE_BYTES = 200_000_000
"""A browser takes seconds to open more."""
MAX_RECORD_CHARS = 50_000_000
"""A rollout with more is shown without its messages: they would not fit a browser's tab."""
MAX_ROW_CHARS = 20_000
CHUNK_CHARS = 1 << 20
LEVEL = 4
"""Of the compression: half the time of the usual level, for a page that is 5 % larger."""
SCRIPTS = ("text", "data", "list", "transcript", "compare", "main")
STATES: tuple[RolloutState, ...] = ("completed", "truncated", "failed")


@dataclass(frozen=True)
class PageFacts:
    """What a page holds."""

    path: Path
    rollouts: int
    left_out: int
    """Rollouts of the run beyond the limits."""
    size: int
    """Of the page, in bytes."""


def write_page(
    run: RunFolder, path: Path, *, limit: int = MAX_ROLLOUTS, max_bytes: int = MAX_PAGE_BYTES
) -> PageFacts:
    """Write the page of a run, in place of one that is there.

    Args:
        run: the run; it may still be going on.
        path: the HTML file.
        limit: the page holds at most so many rollouts, the first by environment, task and repeat. Its
            counts and means are of the whole run.
        max_bytes: it holds no further ones once it is as large as this.

    Raises:
        ConfigError: the limit is not positive, or the file cannot be written.
        RowError: a line of the run cannot be read.
    """
    if limit < 1:
        raise ConfigError(f"limit must be 1 or more, got {limit!r}")
    found = entries(run)
    before, after = _template()
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(before)
            chunks = _Chunks(file, _rows(run, found[:limit]))
            places = []
            for entry in found[:limit]:
                if file.tell() >= max_bytes:
                    break
                places.append(chunks.add(entry))
            chunks.flush()
            _write_block(file, "index", _compact(_index(run, found, places)))
            file.write(after)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"the page {path} cannot be written: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return PageFacts(path, len(places), len(found) - len(places), path.stat().st_size)


def _template() -> tuple[bytes, bytes]:
    """Return what stands before and after the data."""
    folder = resources.files(__package__) / "page"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = "\n".join((folder / f"{name}.js").read_text(encoding="utf-8") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    page = (folder / "page.html").read_text(encoding="utf-8")
    for name, value in (("policy", policy), ("style", style), ("script", script)):
        page = page.replace(f"{{{{{name}}}}}", value)
    before, _, after = page.partition("{{data}}")
    return before.encode(), after.encode()


def _source(text: str) -> str:
    """Return an inline text as a source of a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _write_block(file: BinaryIO, name: str, text: str) -> None:
    file.write(f'<script type="application/octet-stream" id="{name}">'.encode())
    file.write(base64.b64encode(zlib.compress(text.encode(), LEVEL)))
    file.write(b"</script>\n")


class _Chunks:
    """Collects records and writes them in blocks; what many of them share stands once in each block."""

    def __init__(self, file: BinaryIO, rows: dict[tuple[str, int], str]) -> None:
        self._file, self._rows = file, rows
        self._number = 0
        self._clear()

    def _clear(self) -> None:
        self._records: list[str] = []
        self._shared: dict[str, int] = {}
        self._chars = 0

    def add(self, entry: Entry) -> tuple[int, int]:
        """Add a rollout and return the number of its block and its place in it."""
        rollout = entry.load()
        record = _record(rollout)
        record["tools"] = self._share(_tools(rollout.tools))
        record["row"] = self._share(_compact(self._rows.get(entry.task)))
        text = _compact(record)
        if len(text) > MAX_RECORD_CHARS:
            text = _compact(record | {"messages": [], "actions": None, "left_out": len(text)})
        place = self._number, len(self._records)
        self._records.append(text)
        self._chars += len(text)
        if self._chars >= CHUNK_CHARS:
            self.flush()
        return place

    def _share(self, text: str) -> int:
        if text not in self._shared:
            self._chars += len(text)
        return self._shared.setdefault(text, len(self._shared))

    def flush(self) -> None:
        """Write what has been collected."""
        if self._records:
            text = f'{{"rollouts":[{",".join(self._records)}],"shared":[{",".join(self._shared)}]}}'
            _write_block(self._file, f"chunk-{self._number}", text)
            self._number += 1
            self._clear()


def _record(rollout: Rollout) -> dict[str, Any]:
    """Return what the transcript's pane shows and the list does not have."""
    listed = {"env_id", "task_id", "task_index", "repeat", "state", "reward", "turns"}
    record = rollout.model_dump(exclude={*listed, "tools", "tokens"})
    record["training_tokens"] = sum(len(s.token_ids) for s in rollout.tokens or ())
    return record


def _tools(tools: Sequence[Message] | None) -> str:
    return _compact(list(tools)) if tools else "null"


def _rows(run: RunFolder, shown: Sequence[Entry]) -> dict[tuple[str, int], str]:
    """Return the rows of the tasks shown, without the prompts that the transcripts begin with."""
    wanted = {entry.task for entry in shown}
    found = {}
    for task in run.tasks():
        if (task.env_id, task.task_index) in wanted:
            row = {k: v for k, v in task.row.items() if k not in ("responses_create_params", "messages")}
            found[task.env_id, task.task_index] = pretty(row, MAX_ROW_CHARS)
    return found


def _index(run: RunFolder, found: Sequence[Entry], places: Sequence[tuple[int, int]]) -> dict[str, Any]:
    manifest = run.manifest
    counts = count(manifest, found)
    numbers = {c.env_id: number for number, c in enumerate(counts)}
    tasks: dict[tuple[str, int], list[Any]] = {}
    rollouts = []
    for e, place in zip(found, places, strict=False):
        task = [numbers[e.env_id], e.task_id, e.task_index, e.task_text, len(tasks)]
        number = tasks.setdefault(e.task, task)[-1]
        state = STATES.index(e.state)
        time = round(e.duration_s, 3)
        rollouts.append([number, e.repeat, e.reward, state, e.failure, e.turns, e.tokens, time, *place])
    return {
        "name": run.path.resolve().name,
        "manifest": manifest.model_dump(mode="json"),
        "environments": [dataclasses.asdict(c) for c in counts],
        "total": len(found),
        "tasks": [task[:-1] for task in tasks.values()],
        "rollouts": rollouts,
    }


def _compact(value: Any) -> str:
    """Return a value as JSON that JavaScript reads: ASCII, so lone surrogates pass, and no NaN."""
    try:
        return json.dumps(value, separators=(",", ":"), default=str, allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), separators=(",", ":"), default=str)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
