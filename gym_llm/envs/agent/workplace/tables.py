"""Tables that episodes change copy-on-write: what was read is shared, an episode keeps its changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gym_llm.core.tools import ToolError

MAX_CELL_CHARS = 10_000
MAX_NEW_RECORDS = 200
"""For each table: bounds what an episode can pile up."""

MAX_ID_CHARS = 20

Record = dict[str, Any]
"""Column to value; None where the cell is empty. Records are replaced, never changed."""


class Records:
    """A table as it was read: shared by all episodes of a process, so copying it costs nothing.

    Args:
        columns: names of the columns; the first is the id.
        records: one for each line.
        origin: function and arguments that give these records again, in another process too.
    """

    def __init__(
        self,
        columns: Sequence[str],
        records: Sequence[Record],
        origin: tuple[Callable[..., "Records"], tuple[Any, ...]],
    ) -> None:
        self.columns, self.records = tuple(columns), tuple(records)
        self._origin = origin

    def __deepcopy__(self, memo: dict[int, Any]) -> "Records":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return self._origin


@dataclass
class Table:
    """One table of an episode: the shared records and what has become of them."""

    base: Records
    changes: dict[int, Record | None] = field(default_factory=dict)
    """Position to record: below ``len(base.records)`` a new version, or None for deleted; new records
    follow."""

    def items(self) -> Iterator[tuple[int, Record]]:
        """Yield position and record, oldest first."""
        for position, original in enumerate(self.base.records):
            record = self.changes.get(position, original)
            if record is not None:
                yield position, record
        yield from self.added()

    def added(self) -> list[tuple[int, Record]]:
        """Return the new records that are still there, in the order of their making."""
        first = len(self.base.records)
        return [(p, record) for p, record in self.changes.items() if p >= first and record is not None]

    def __iter__(self) -> Iterator[Record]:
        return (record for _, record in self.items())

    def find(self, key: str) -> Record:
        """Return the first record with an id; ToolError if there is none."""
        return self._with_id(key)[0][1]

    def cell(self, key: str, column: str) -> Record:
        """Return one cell as ``{column: value}``; ToolError for an unknown id or column."""
        if column not in self.base.columns:
            raise ToolError(
                f"there is no field {column[:100]!r}; fields: {', '.join(self.base.columns)}"
            )
        return {column: self.find(key)[column]}

    def add(self, record: Record) -> None:
        """Append a record; ToolError when a cell is too long or the table is full."""
        added = self.added()
        if len(added) >= MAX_NEW_RECORDS:
            raise ToolError(f"no more than {MAX_NEW_RECORDS} records can be added")
        for column, value in record.items():
            _check_length(column, value)
        position = added[-1][0] + 1 if added else len(self.base.records)
        self.changes[position] = record

    def update(self, key: str, column: str, value: Any) -> None:
        """Set a cell of every record with an id; ToolError if there is none."""
        _check_length(column, value)
        for position, record in self._with_id(key):
            self.changes[position] = {**record, column: value}

    def delete(self, key: str) -> None:
        """Delete every record with an id; ToolError if there is none."""
        for position, _ in self._with_id(key):
            if position < len(self.base.records):
                self.changes[position] = None
            else:
                del self.changes[position]

    def next_id(self) -> int:
        """Return the greatest id, by the order of texts, plus one."""
        last = max((str(record[self.base.columns[0]]) for record in self), default="")
        if last and not (last.isdecimal() and len(last) <= MAX_ID_CHARS):
            raise ToolError(f"no id can follow {last[:MAX_ID_CHARS]!r}")
        return int(last) + 1 if last else 0

    def _with_id(self, key: str) -> list[tuple[int, Record]]:
        column = self.base.columns[0]
        found = [(position, record) for position, record in self.items() if record[column] == key]
        if not found:
            raise ToolError(f"there is no {column} {key[:100]!r}")
        return found


def _check_length(column: str, value: Any) -> None:
    if isinstance(value, str) and len(value) > MAX_CELL_CHARS:
        raise ToolError(f"{column} must have at most {MAX_CELL_CHARS} characters")
