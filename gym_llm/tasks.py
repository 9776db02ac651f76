"""Tasks and where they come from: bundled files, JSONL paths, lists of rows, Hub data sets, generators.

A row is a pydantic model, so a bad row is found when the task set is loaded, with file, line, field and
reason. NeMo Gym rows (``responses_create_params`` beside the verifier's fields) are valid rows as they
are.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, overload

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr

from gym_llm.errors import ConfigError, DataError, RowError, UnknownNameError
from gym_llm.messages import Message, chat_from_items, chat_tools

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 256 << 20
"""A longer line of a JSONL file is refused: it is not a task."""

GENERATED_TASKS = 1_000_000
"""Nominal length of a generated task set."""

RawRow = dict[str, Any]
OnBadRow = Literal["error", "skip"]


class PromptParams(BaseModel):
    """The part of OpenAI's Responses parameters that a task fixes; other keys are kept, not read."""

    model_config = ConfigDict(extra="allow")

    input: str | list[dict[str, Any]]
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None


class Row(BaseModel):
    """What every task row may hold; an environment's row model adds the fields of its verifier.

    Raises:
        pydantic.ValidationError: a field is missing or of the wrong type, or the prompt cannot be
        converted.
    """

    model_config = ConfigDict(extra="allow")
    needs_prompt: ClassVar[bool] = True
    """False for environments whose prompt does not come from the row."""

    task_id: str | None = None
    responses_create_params: PromptParams | None = None
    reference: list[str] | None = None
    """Actions, one a turn, that earn the maximum."""
    reference_return: float | None = None
    """The most that this task can earn, where that is not the upper end of the reward range."""

    _messages: list[Message] = PrivateAttr(default_factory=list)

    def default_prompt(self) -> list[Message] | None:
        """Return the prompt of a row that has no ``responses_create_params``; None when it needs one."""
        return None

    @pydantic.model_validator(mode="after")
    def _convert_prompt(self) -> "Row":
        params = self.responses_create_params
        if params is None:
            prompt = self.default_prompt()
            if prompt is None and self.needs_prompt:
                raise ValueError("responses_create_params: the row has no prompt")
            self._messages = prompt or []
        else:
            system = [{"role": "system", "content": params.instructions}] if params.instructions else []
            self._messages = [*system, *chat_from_items(params.input)]
        return self

    @property
    def messages(self) -> list[Message]:
        """The prompt as chat messages."""
        return self._messages

    @property
    def tools(self) -> list[Message]:
        """The tools that the row declares, in the chat form."""
        params = self.responses_create_params
        return chat_tools(params.tools or ()) if params else []


@dataclass(frozen=True)
class Task:
    """One task of a task set."""

    id: str
    """Stable: the row's own ``task_id``, or the task set's name and the index."""
    index: int
    """Position in the task set; -1 for a row given to ``reset``."""
    row: Any
    """The validated row, an instance of the environment's row model."""


@dataclass(frozen=True)
class HubSplit:
    """Arguments of ``datasets.load_dataset`` for one split."""

    path: str
    name: str | None = None
    split: str = "train"
    data_files: str | list[str] | dict[str, Any] | None = None
    revision: str | None = None
    adapt: Callable[[RawRow, int], RawRow] | None = None
    """Converts this split's columns, where the environment's own adapter does not."""

    def describe(self) -> str:
        """Return the split as one word, for messages and task ids."""
        return ":".join(part for part in (self.path, self.name, self.split) if part)


@dataclass(frozen=True)
class RowFormat:
    """How one environment reads rows: its model, and the adapter for the public data set's columns."""

    model: type[Row]
    adapt: Callable[[RawRow, int], RawRow] | None = None

    def parse(self, raw: Any, index: int, source: str, line: int | None) -> Row:
        """Validate one row.

        Raises:
            RowError: with source, line, field and reason.
        """
        if not isinstance(raw, Mapping):
            raise RowError(source, line, f"expected a JSON object, got {type(raw).__name__}")
        try:
            if self.adapt is not None and "responses_create_params" not in raw:
                raw = self.adapt(dict(raw), index)
            return self.model.model_validate(raw)
        except pydantic.ValidationError as error:
            raise RowError(source, line, describe_validation(error)) from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            reason = f"the columns cannot be converted: {type(error).__name__}: {error}"
            raise RowError(source, line, reason) from error


def describe_validation(error: pydantic.ValidationError) -> str:
    """Return a validation error as ``field: reason; field: reason``, at most three of them."""
    found = error.errors(include_url=False, include_context=False)
    parts = [
        f"{'.'.join(map(str, e['loc']))}: {e['msg']}"
        if e["loc"]
        else e["msg"].removeprefix("Value error, ")
        for e in found[:3]
    ]
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(parts) + more


@dataclass(frozen=True)
class TaskSet(Sequence[Task]):
    """An immutable sequence of tasks; copying an environment shares it."""

    name: str
    rows: Sequence[Row]
    skipped: tuple[str, ...] = field(default=())
    """One message for each row that ``on_bad_row="skip"`` left out."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Task: ...
    @overload
    def __getitem__(self, index: slice) -> list[Task]: ...
    def __getitem__(self, index: int | slice) -> Task | list[Task]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"task {index} of {self.name}, which has {len(self)}")
        row = self.rows[position]
        return Task(row.task_id or f"{self.name}-{position}", position, row)

    def __deepcopy__(self, memo: dict[int, Any]) -> "TaskSet":
        return self


class _GeneratedRows(Sequence[Row]):
    """Row ``i`` is a function of ``i`` alone; nothing is kept."""

    def __init__(self, generate: Callable[[int], RawRow], row_format: RowFormat) -> None:
        self._generate, self._format = generate, row_format

    def __len__(self) -> int:
        return GENERATED_TASKS

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self._format.parse(self._generate(index), index, "generated", index)


class _HubRows(Sequence[Row]):
    """Rows of a memory-mapped ``datasets.Dataset``, validated once, parsed again when read."""

    def __init__(self, dataset: Any, good: Sequence[int], source: str, row_format: RowFormat) -> None:
        self._dataset, self._good, self._source, self._format = dataset, good, source, row_format

    def __len__(self) -> int:
        return len(self._good)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        number = self._good[index]
        return self._format.parse(self._dataset[number], number, self._source, number)


@dataclass(frozen=True)
class TaskSource:
    """Everything that an environment class knows about its tasks."""

    name: str
    bundled: Path
    row_format: RowFormat
    splits: Mapping[str, HubSplit]
    generate: Callable[[int], RawRow] | None = None

    def load(self, tasks: Any, on_bad_row: OnBadRow = "error") -> TaskSet:
        """Load a task set.

        Args:
            tasks: ``"example"``, the name of a split, ``"generated"``, a path to a JSONL file, a list of
                rows, or a dict with the arguments of ``datasets.load_dataset``.
            on_bad_row: ``"error"``, or ``"skip"`` to leave bad rows out and report them in ``skipped``.

        Raises:
            RowError: a row is bad. DataError: the source cannot be read. ConfigError: ``tasks`` is none
                of these.
        """
        if on_bad_row not in ("error", "skip"):
            raise ConfigError(f"on_bad_row must be 'error' or 'skip', got {on_bad_row!r}")
        if isinstance(tasks, Mapping):
            return self._load_hub(_hub_split(tasks), on_bad_row)
        if isinstance(tasks, Sequence) and not isinstance(tasks, str):
            return _collect(self.name, self._parse_rows(tasks), on_bad_row)
        if not isinstance(tasks, str | Path):
            raise ConfigError(f"tasks must be a split, a path, a list of rows or a dict, got {tasks!r}")
        if tasks == "example":
            return self._load_file(self.bundled, self.name, on_bad_row)
        if tasks in self.splits:
            return self._load_hub(self.splits[str(tasks)], on_bad_row)
        if tasks == "generated" and self.generate is not None:
            return TaskSet(f"{self.name}-generated", _GeneratedRows(self.generate, self.row_format))
        path = Path(tasks)
        if not path.is_file():
            if path.suffix or path.parent != Path():
                raise DataError(f"task file not found: {path}")
            known = ["example", *self.splits, *(["generated"] if self.generate else [])]
            raise UnknownNameError("task set", str(tasks), known)
        return self._load_file(path, path.stem, on_bad_row)

    def parse(self, raw: Any) -> Task:
        """Return one row, given at ``reset``, as a task whose id is a digest of its content."""
        row = self.row_format.parse(raw, 0, "options['task']", None)
        digest = hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()[:12]
        return Task(row.task_id or f"{self.name}-{digest}", -1, row)

    def _parse_rows(self, rows: Iterable[Any]) -> Iterator[Callable[[], Row]]:
        for number, raw in enumerate(rows):
            yield functools.partial(self.row_format.parse, raw, number, "row list", number)

    def _load_file(self, path: Path, name: str, on_bad_row: OnBadRow) -> TaskSet:
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"task file not found: {path}") from error
        stamp = (stat.st_mtime_ns, stat.st_size)
        return _load_jsonl(str(path), stamp, name, self.row_format, on_bad_row)

    def _load_hub(self, split: HubSplit, on_bad_row: OnBadRow) -> TaskSet:
        dataset = _open_hub(split)
        source = split.describe()
        row_format = RowFormat(self.row_format.model, split.adapt or self.row_format.adapt)
        skipped: list[str] = []
        good: list[int] = []
        for number in range(len(dataset)):
            try:
                row_format.parse(dataset[number], number, source, number)
            except RowError as error:
                if on_bad_row == "error":
                    raise
                skipped.append(str(error))
            else:
                good.append(number)
        _report(source, skipped)
        return TaskSet(source, _HubRows(dataset, good, source, row_format), tuple(skipped))


def _hub_split(tasks: Mapping[str, Any]) -> HubSplit:
    try:
        return HubSplit(**tasks)
    except TypeError as error:
        raise ConfigError(f"tasks: expected arguments of datasets.load_dataset, {error}") from error


def _open_hub(split: HubSplit) -> Any:
    import datasets

    try:
        return datasets.load_dataset(
            split.path,
            split.name,
            split=split.split,
            data_files=split.data_files,
            revision=split.revision,
        )
    except (
        Exception
    ) as error:  # datasets raises errors of many libraries: hub, network, Arrow, file system
        raise DataError(f"data set {split.describe()} cannot be loaded: {error}") from error


@functools.lru_cache(maxsize=64)
def _load_jsonl(
    path: str, stamp: tuple[int, int], name: str, row_format: RowFormat, on_bad_row: OnBadRow
) -> TaskSet:
    """Load one file; cached, so that a thousand environments of one process share its rows."""
    return _collect(name, _parse_lines(path, row_format), on_bad_row, source=path)


def _parse_lines(path: str, row_format: RowFormat) -> Iterator[Callable[[], Row]]:
    with open(path, "rb") as file:
        number = 0
        index = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise RowError(path, number, f"line of more than {MAX_LINE_BYTES} bytes")
            if line.strip():
                yield functools.partial(_parse_line, line, index, path, number, row_format)
                index += 1


def _parse_line(line: bytes, index: int, path: str, number: int, row_format: RowFormat) -> Row:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(path, number, f"not valid JSON: {error}") from error
    return row_format.parse(raw, index, path, number)


def _collect(
    name: str, parsers: Iterable[Callable[[], Row]], on_bad_row: OnBadRow, source: str | None = None
) -> TaskSet:
    rows: list[Row] = []
    skipped: list[str] = []
    for parse in parsers:
        try:
            rows.append(parse())
        except RowError as error:
            if on_bad_row == "error":
                raise
            skipped.append(str(error))
    _report(source or name, skipped)
    if not rows:
        raise DataError(
            f"{source or name}: no valid task" + (f"; first: {skipped[0]}" if skipped else "")
        )
    return TaskSet(name, rows, tuple(skipped))


def _report(source: str, skipped: Sequence[str]) -> None:
    if skipped:
        logger.warning("%s: %d bad rows skipped; first: %s", source, len(skipped), skipped[0])
