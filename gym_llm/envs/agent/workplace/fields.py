"""What the arguments of the office's tools may be; creating and updating a record share these checks."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, Field, TypeAdapter, WithJsonSchema

from gym_llm.core.tools import ToolError
from gym_llm.envs.agent.workplace.tables import Record, Table
from gym_llm.tasks import describe_validation

MAX_PAGE_SIZE = 100
MAX_TIMESTAMP_CHARS = 40
_OTHER_TIMESTAMPS = (
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y",
    "%B %d, %Y %H:%M",
    "%B %d, %Y",
)


def parse_timestamp(text: Any) -> datetime | None:
    """Read a date with or without a time: ISO 8601 and a few other forms; None if it is neither.

    >>> parse_timestamp("2023-12-04 10:00")
    datetime.datetime(2023, 12, 4, 10, 0)
    """
    if not isinstance(text, str) or len(text) > MAX_TIMESTAMP_CHARS:
        return None
    text = text.strip()
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    for form in _OTHER_TIMESTAMPS:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _not_empty(value: Any) -> Any:
    if not value:
        raise ValueError("must not be empty")
    return value


def _is_timestamp(text: str) -> str:
    if parse_timestamp(text) is None:
        raise ValueError("is not a date and time; write YYYY-MM-DD HH:MM:SS")
    return text


def _is_address(text: str) -> str:
    if "@" not in text or "." not in text:
        raise ValueError("is not an e-mail address")
    return text


def _is_positive(value: Any) -> Any:
    try:
        minutes = int(value)
    except (ValueError, OverflowError):
        minutes = 0
    if minutes <= 0:
        raise ValueError("must be a number of minutes above 0")
    return value


# Numbers are kept as they come: whether 30 equals "30" is for the verifier to say.
AnyCell = Annotated[str | int | float | bool, WithJsonSchema({"type": "string"})]
Cell = Annotated[AnyCell, AfterValidator(_not_empty)]
Text = Annotated[str, AfterValidator(_not_empty)]
Address = Annotated[str, AfterValidator(_not_empty), AfterValidator(str.lower)]
Recipient = Annotated[Address, AfterValidator(_is_address)]
Minutes = Annotated[Cell, AfterValidator(_is_positive), Field(description="Length in minutes")]
Moment = Annotated[
    Text, AfterValidator(_is_timestamp), Field(description="Date and time, YYYY-MM-DD HH:MM:SS")
]
Bound = Annotated[
    str, AfterValidator(_is_timestamp), Field(description="Date, YYYY-MM-DD, or with HH:MM:SS")
]
Day = Annotated[str, Field(description="Date, YYYY-MM-DD")]
# A bound on the work of one search, however long the model's turn is.
Query = Annotated[str, Field(max_length=1000)]
ListName = Literal["Backlog", "In Progress", "In Review", "Completed"]
Board = Literal["Back end", "Front end", "Design"]
Product = Literal["Software", "Hardware", "Services", "Consulting", "Training"]
Status = Literal["Qualified", "Won", "Lost", "Lead", "Proposal"]

Kinds = Mapping[str, TypeAdapter[Any]]
"""Column to what its cells may be."""


def kinds(columns: Mapping[str, Any]) -> Kinds:
    """Return the checks of a table's columns."""
    return {column: TypeAdapter(kind) for column, kind in columns.items()}


def update(table: Table, key: str, field: str, value: Any, checks: Kinds) -> str:
    """Set one cell after the check of its column; ToolError when it is refused."""
    if field not in checks:
        raise ToolError(f"field {field[:100]!r} cannot be set; fields: {', '.join(checks)}")
    try:
        valid = checks[field].validate_python(value)
    except pydantic.ValidationError as error:
        raise ToolError(f"new_value: {describe_validation(error)}") from error
    table.update(key, field, valid)
    return f"{key} was updated."


def contains(cell: Any, text: str) -> bool:
    """Say whether a cell contains a text, ignoring case; the text is no regular expression."""
    return cell is not None and text.lower() in str(cell).lower()


def one_page(found: list[Record], label: str, page: int, page_size: int) -> dict[str, Any] | str:
    """Return one page of what a search found; page and size are brought into their ranges."""
    if not found:
        return f"No {label} found."
    size = min(max(page_size, 1), MAX_PAGE_SIZE)
    pages = -(-len(found) // size)
    page = min(max(page, 1), pages)
    return {
        label: found[(page - 1) * size : page * size],
        "pagination": {
            f"total_{label}": len(found),
            "page": page,
            "page_size": size,
            "total_pages": pages,
        },
    }
