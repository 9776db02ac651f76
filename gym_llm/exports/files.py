"""Reading lines of a run in another order than theirs, and writing files that are whole or not there."""

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel

from gym_llm.errors import ConfigError

T = TypeVar("T", bound=BaseModel)


def with_offsets(path: Path, records: Iterable[T]) -> Iterator[tuple[int, T]]:
    """Yield each record of a file with the byte at which its line begins.

    Args:
        path: a JSONL file; one that does not exist has no records.
        records: its records, one a line, in order.
    """
    if not path.is_file():
        return
    offset = 0
    with path.open("rb") as lines:
        # Records first: they end before a torn last line.
        for record, line in zip(records, lines, strict=False):
            yield offset, record
            offset += len(line)


class LineReader(Generic[T]):
    """Reads single lines of a JSONL file by the byte at which they begin."""

    def __init__(self, path: Path, model: type[T]) -> None:
        self._model = model
        # A file that is not there has no lines that could be asked for.
        self._file = path.open("rb") if path.is_file() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def at(self, offset: int) -> T:
        """Return the record whose line begins there."""
        if self._file is None:
            raise IndexError(f"no line at {offset}: the file does not exist")
        self._file.seek(offset)
        return self._model.model_validate_json(self._file.readline())


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, and move what was written there to ``path`` when all went well.

    Raises:
        ConfigError: ``path`` exists.
    """
    refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays last: some writers tell the form from it.
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Raise ConfigError if there is something at the path."""
    if path.exists():
        raise ConfigError(f"output {path} exists already; choose another path, or remove it")


def write_lines(path: Path, records: Iterable[Any]) -> int:
    """Write a JSONL file and return the number of lines.

    Raises:
        ConfigError: ``path`` exists.
    """
    count = 0
    with new_file(path) as partial, partial.open("w", encoding="utf-8") as file:
        for count, record in enumerate(records, 1):  # noqa: B007
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return count


def plain(value: Any) -> Any:
    """Return JSON data without NaN and infinities, which JSON does not have: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list) else value
