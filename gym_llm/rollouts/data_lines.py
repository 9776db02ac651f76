"""The lines of a JSONL file that nobody has looked at yet: bounded, UTF-8, JSON to the letter."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn

from gym_llm.errors import DataError

MAX_ROW_BYTES = 16 << 20
"""Default of the longest row: pictures fit, a whole data set on one line does not."""
MAX_REASON = 300
"""Characters of a reason: it may quote the row."""
SKIP_BYTES = 1 << 20
HALF = re.compile(r"\\u[dD][89a-fA-F]")

LineProblem = Literal["encoding", "json", "size"]


@dataclass(frozen=True)
class Line:
    """A line of a file that is not blank."""

    number: int
    data: bytes
    """Without a byte order mark; empty when it is too long."""
    has_mark: bool = False
    problem: tuple[LineProblem, str] | None = None


def read_lines(path: Path, max_bytes: int) -> Iterator[Line]:
    """Return the lines of a file that are not blank; of one that is too long only its number is kept.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            number = 0
            while data := file.readline(max_bytes + 5):  # room for a mark and the longest line end
                number += 1
                if number == 1 and (problem := _not_utf8(data)):
                    yield Line(number, b"", problem=("encoding", problem))
                    return
                has_mark = number == 1 and data.startswith(b"\xef\xbb\xbf")
                data = data[3:] if has_mark else data
                if len(data.rstrip(b"\r\n")) > max_bytes:
                    size = _to_line_end(file, data)
                    reason = f"row of {size:,} bytes, the limit is {max_bytes:,}"
                    yield Line(number, b"", has_mark, ("size", reason))
                elif data.strip():
                    yield Line(number, data, has_mark)
    except OSError as error:
        raise DataError(f"task file {path} cannot be read: {error.strerror or error}") from error


def _to_line_end(file: BinaryIO, data: bytes) -> int:
    """Read on to the end of the line that begins with ``data`` and return how long it is."""
    size = 0
    while data and not data.endswith(b"\n"):
        size += len(data)
        data = file.readline(SKIP_BYTES)
    return size + len(data.rstrip(b"\r\n"))


def _not_utf8(start: bytes) -> str | None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16 or UTF-32; task files are UTF-8"
    if start.startswith((b"\x1f\x8b", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ")):
        return "the file is compressed; unpack it first"
    if start.startswith(b"PAR1"):
        return "the file is Parquet; task files are JSON, one object a line"
    return None


def strict_json(data: bytes) -> Any:
    """Parse one line as JSON.

    Raises:
        ValueError: it is not UTF-8 (UnicodeError), not JSON, or JSON that only Python reads: ``NaN``,
            lone surrogates.

    >>> strict_json(b'{"x": NaN}')
    Traceback (most recent call last):
    ...
    ValueError: NaN is not JSON
    """
    try:
        text = data.rstrip().decode()
        value = _DECODER.decode(text)
        # Halves that belong together became one character when they were parsed.
        if HALF.search(text) and re.search("[\ud800-\udfff]", json.dumps(value, ensure_ascii=False)):
            raise UnicodeError("text with half of a surrogate pair (\\ud800 to \\udfff)")
    except UnicodeDecodeError as error:
        raise UnicodeError(f"not UTF-8: byte {data[error.start]:#04x} at {error.start + 1}") from None
    except json.JSONDecodeError as error:
        hint = "; the rows must be one object a line, not an array" if text.startswith("[") else ""
        raise ValueError(f"not JSON: {error.msg} at column {error.colno}{hint}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    return value


def canonical(row: Mapping[str, Any], leave_out: str) -> str:
    """Return a row, but for one key, as text that is the same for equal rows.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        return json.dumps({k: v for k, v in row.items() if k != leave_out}, sort_keys=True)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def printable(text: str) -> str:
    r"""Return text of bounded length without control characters, which could rewrite a terminal.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    cut = text if len(text) <= MAX_REASON else text[: MAX_REASON - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
