"""Checking task files before a costly run: every row, every reason, in one pass over the files.

A row is bad when the environment would refuse it, when strict JSON would, when it is larger than the
limit or when it asks nothing. What a run can bear but its owner should know of is a warning.
"""

import contextlib
import hashlib
import logging
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pydantic

from gym_llm.errors import ConfigError, RowError
from gym_llm.messages import message_text
from gym_llm.registration import EnvInfo
from gym_llm.rollouts.data_lines import (
    MAX_ROW_BYTES,
    Line,
    LineProblem,
    canonical,
    printable,
    read_lines,
    strict_json,
)
from gym_llm.tasks import MAX_LINE_BYTES, Row, RowFormat

REFERENCE = re.compile(r"expected_|ground_truth$")
"""Fields of row models that a reply is compared with."""

ErrorKind = Literal[LineProblem, "row", "empty_prompt", "no_rows"]
WarningKind = Literal[
    "byte_order_mark", "doubtful_row", "no_reference", "duplicate_row", "duplicate_task_id"
]
ERROR_KINDS: tuple[ErrorKind, ...] = get_args(ErrorKind)

OnGoodRow = Callable[[bytes], object]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in one place."""

    file: str
    line: int | None
    """From 1, as editors count."""
    kind: ErrorKind | WarningKind
    field: str | None
    reason: str

    @property
    def is_error(self) -> bool:
        """Whether it makes the row bad."""
        return self.kind in ERROR_KINDS

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{place}: {self.field}: {self.reason}" if self.field else f"{place}: {self.reason}"


@dataclass
class FileCount:
    """Rows of one file."""

    path: str
    rows: int = 0
    bad: int = 0


@dataclass
class Report:
    """What a check found."""

    env_id: str
    files: list[FileCount] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Problems by kind; a bad row may have several."""
    problems: list[Problem] = field(default_factory=list)
    """The first of them; see ``counts`` for how many there are."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """Of the good rows; see `_Statistics`."""

    @property
    def rows(self) -> int:
        """Rows of all files; blank lines are none."""
        return sum(file.rows for file in self.files)

    @property
    def bad(self) -> int:
        """Rows that are bad."""
        return sum(file.bad for file in self.files)

    def total(self, errors: bool) -> int:
        """Return the number of errors, or of warnings."""
        return sum(n for kind, n in self.counts.items() if (kind in ERROR_KINDS) == errors)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        kinds = sorted(self.counts)
        return {
            "environment": self.env_id,
            "files": [dict(vars(file)) for file in self.files],
            "rows": self.rows,
            "good": self.rows - self.bad,
            "bad": self.bad,
            "errors": {kind: self.counts[kind] for kind in kinds if kind in ERROR_KINDS},
            "warnings": {kind: self.counts[kind] for kind in kinds if kind not in ERROR_KINDS},
            "problems": [{**vars(p), "is_error": p.is_error} for p in self.problems],
            "statistics": self.statistics,
        }


def check(
    paths: Sequence[Path],
    info: EnvInfo,
    *,
    max_row_bytes: int = MAX_ROW_BYTES,
    shown: int = 20,
    on_good_row: OnGoodRow | None = None,
) -> Report:
    """Check the rows of files as an environment will read them.

    One row is in memory at a time; beside it, each row leaves less than 100 bytes behind, for
    duplicates and percentiles.

    Args:
        paths: JSONL files. Equal rows are found across all of them.
        info: the environment.
        max_row_bytes: a longer row is bad.
        shown: errors, and warnings, that the report keeps; all are counted.
        on_good_row: called with each good row as it stands in the file, with its line end.

    Raises:
        DataError: a file cannot be opened. ConfigError: ``max_row_bytes`` is out of range.
    """
    if not 1 <= max_row_bytes <= MAX_LINE_BYTES:
        raise ConfigError(f"the largest row must be 1 to {MAX_LINE_BYTES} bytes, got {max_row_bytes}")
    checker = _Checker(info, max_row_bytes, shown, on_good_row)
    with row_model_warnings() as said:
        for path in paths:
            checker.read(path, said)
    return checker.finish()


class _Checker:
    """The state of one check."""

    def __init__(
        self, info: EnvInfo, max_row_bytes: int, shown: int, on_good_row: OnGoodRow | None
    ) -> None:
        self.format: RowFormat = info.load().source().row_format
        self.max_row_bytes, self.shown, self.on_good_row = max_row_bytes, shown, on_good_row
        self.report = Report(info.id)
        self.errors = 0
        self.statistics = _Statistics()
        self.contents, self.ids = _Repeats(), _Repeats()
        # An environment that pays the same for everything compares with nothing.
        grades = info.reward_range[0] != info.reward_range[1]
        self.references = [n for n in self.format.model.model_fields if grades and REFERENCE.match(n)]

    def read(self, path: Path, said: list[str]) -> None:
        """Check one file."""
        file = FileCount(str(path))
        self.report.files.append(file)
        for line in read_lines(path, self.max_row_bytes):
            if line.has_mark:
                self._add(file.path, line.number, "byte_order_mark", None, "the file begins with one")
            before = self.errors
            said.clear()
            if line.problem is not None:
                self._add(file.path, line.number, line.problem[0], None, line.problem[1])
            else:
                self._check_row(line, file, said)
            file.rows += 1
            if self.errors > before:
                file.bad += 1
            elif self.on_good_row is not None:
                self.on_good_row(line.data if line.data.endswith(b"\n") else line.data + b"\n")
        if not file.rows:
            self._add(file.path, None, "no_rows", None, "the file has no rows")

    def _check_row(self, line: Line, file: FileCount, said: list[str]) -> None:
        path, number = file.path, line.number
        try:
            raw = strict_json(line.data)
            content = canonical(raw, leave_out="task_id") if isinstance(raw, dict) else ""
        except ValueError as error:
            kind: LineProblem = "encoding" if isinstance(error, UnicodeError) else "json"
            self._add(path, number, kind, None, str(error))
            return
        try:
            row = self.format.parse(raw, file.rows, path, number)
        except RowError as error:
            for name, reason in fields_of(error):
                self._add(path, number, "row", name, reason)
            return
        except Exception as error:  # adapters and row models of other packages
            reason = f"the row model broke: {type(error).__name__}: {error}"
            self._add(path, number, "row", None, reason)
            return
        for warning in said:
            self._add(path, number, "doubtful_row", None, warning)
        characters = sum(len(message_text(message)) for message in row.messages)
        if self.format.model.needs_prompt and not any(map(_says_something, row.messages)):
            self._add(path, number, "empty_prompt", "responses_create_params", "the prompt is empty")
            return
        for name in self.references:
            value = getattr(row, name)
            text = value.strip() if isinstance(value, str) else value
            if name not in row.model_fields_set or text in (None, "", [], {}):
                self._add(path, number, "no_reference", name, "missing or empty: grading has no answer")
        self.statistics.add(row, characters, len(line.data))
        self.contents.add(content, len(self.report.files) - 1, number)
        if row.task_id is not None:
            # Each file is a task set of its own: only within one an id must not come twice.
            self.ids.add(f"{path}\0{row.task_id}", len(self.report.files) - 1, number)

    def finish(self) -> Report:
        """Look for duplicates and return the report."""
        names = [file.path for file in self.report.files]
        searches: list[tuple[WarningKind, str | None, _Repeats]] = [
            ("duplicate_row", None, self.contents),
            ("duplicate_task_id", "task_id", self.ids),
        ]
        for kind, name, repeats in searches:
            for (file, line), (first_file, first_line) in repeats.found():
                first = f"line {first_line}" + (f" of {names[first_file]}" if file != first_file else "")
                self._add(names[file], line, kind, name, f"the same as in {first}")
        self.report.statistics = self.statistics.to_dict()
        return self.report

    def _add(
        self,
        file: str,
        line: int | None,
        kind: ErrorKind | WarningKind,
        name: str | None,
        reason: str,
    ) -> None:
        is_error = kind in ERROR_KINDS
        self.errors += is_error
        if self.report.total(is_error) < self.shown:
            self.report.problems.append(
                Problem(file, line, kind, name and printable(name), printable(reason))
            )
        self.report.counts[kind] += 1


def _says_something(message: Mapping[str, Any]) -> bool:
    return bool(message_text(message).strip() or message.get("tool_calls"))


# --- what row models say


def fields_of(error: RowError) -> list[tuple[str | None, str]]:
    """Return field and reason of each thing that a row model finds wrong."""
    cause = error.__cause__
    if isinstance(cause, pydantic.ValidationError):
        found = []
        for detail in cause.errors(include_url=False, include_context=False):
            name: str | None = ".".join(map(str, detail["loc"])) or None
            reason = detail["msg"].removeprefix("Value error, ")
            # Validators of the whole row name the field in the text.
            if name is None and (named := re.match(r"(\w+): ", reason)):
                name, reason = named[1], reason[named.end() :]
            found.append((name, reason))
        return found
    if isinstance(cause, KeyError):
        return [(str(cause.args[0]), "the column is missing")]
    return [(None, error.reason)]


@contextlib.contextmanager
def row_model_warnings() -> Iterator[list[str]]:
    """Collect what row models log, which would otherwise go to the terminal without a place."""
    said: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(re.sub(r"^row \S+( has|:) ", "", record.getMessage()))

    logger = logging.getLogger("gym_llm.envs")
    handler, propagates = Collect(logging.WARNING), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates


# --- what is kept of each row


class _Repeats:
    """Finds equal texts by 64-bit digests: one false alarm in 370,000 checks of ten million rows."""

    def __init__(self) -> None:
        self._digests, self._lines, self._files = array("Q"), array("Q"), array("I")

    def add(self, text: str, file: int, line: int) -> None:
        """Take in the text of a row."""
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        self._digests.append(int.from_bytes(digest, "little"))
        self._lines.append(line)
        self._files.append(file)

    def found(self) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Return file and line of each repeat, in order, with those of the first."""
        if not self._digests:
            return
        digests = np.frombuffer(self._digests, dtype=np.uint64)
        order = np.argsort(digests, kind="stable")
        repeats = np.flatnonzero(digests[order][1:] == digests[order][:-1]) + 1
        # The sort is stable: the first of equals is where its run begins.
        starts = np.searchsorted(digests[order], digests[order[repeats]])
        pairs = sorted(zip(order[repeats].tolist(), order[starts].tolist(), strict=True))
        for repeat, first in pairs:
            yield self._place(repeat), self._place(first)

    def _place(self, number: int) -> tuple[int, int]:
        return self._files[number], self._lines[number]


class _Statistics:
    """Sizes of the good rows."""

    def __init__(self) -> None:
        self._sizes = {
            name: array("Q") for name in ("prompt_characters", "messages", "tools", "row_bytes")
        }
        self._with_reference = self._with_id = 0

    def add(self, row: Row, characters: int, size: int) -> None:
        """Take in one row."""
        values = (characters, len(row.messages), len(row.tools), size)
        for sizes, value in zip(self._sizes.values(), values, strict=True):
            sizes.append(value)
        self._with_reference += row.reference is not None
        self._with_id += row.task_id is not None

    def to_dict(self) -> dict[str, Any]:
        """Return least, mean, percentiles and most of each size, and what rows have."""
        found: dict[str, Any] = {name: _spread(sizes) for name, sizes in self._sizes.items()}
        return {**found, "with_reference": self._with_reference, "with_task_id": self._with_id}


def _spread(sizes: "array[int]") -> dict[str, float] | None:
    if not sizes:
        return None
    values = np.frombuffer(sizes, dtype=np.uint64)
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return {
        "min": int(values.min()),
        "mean": round(float(values.mean()), 1),
        "p50": round(float(p50)),
        "p90": round(float(p90)),
        "p99": round(float(p99)),
        "max": int(values.max()),
    }
