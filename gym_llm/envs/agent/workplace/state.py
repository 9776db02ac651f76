"""The state of an episode: seven tables, read from their files once a process."""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gym_llm.envs.agent.workplace.tables import Record, Records, Table
from gym_llm.errors import DataError

BUNDLED = Path(__file__).parents[1] / "data" / "workplace"

FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "emails": (
        "emails.csv",
        ("email_id", "inbox/outbox", "sender/recipient", "subject", "sent_datetime", "body"),
    ),
    "events": (
        "calendar_events.csv",
        ("event_id", "event_name", "participant_email", "event_start", "duration"),
    ),
    "visits": (
        "analytics_data.csv",
        (
            "date_of_visit",
            "visitor_id",
            "page_views",
            "session_duration_seconds",
            "traffic_source",
            "user_engaged",
        ),
    ),
    "tasks": (
        "project_tasks.csv",
        ("task_id", "task_name", "assigned_to_email", "list_name", "due_date", "board"),
    ),
    "customers": (
        "customer_relationship_manager_data.csv",
        (
            "customer_id",
            "assigned_to_email",
            "customer_name",
            "customer_email",
            "customer_phone",
            "last_contact_date",
            "product_interest",
            "status",
            "follow_up_by",
            "notes",
        ),
    ),
}
"""Table to its file and columns; the first column of a table that can change is its id."""


@dataclass
class Workplace:
    """The state of an episode."""

    data_dir: str | None
    emails: Table
    events: Table
    visits: Table
    tasks: Table
    customers: Table
    plots: Table
    addresses: Table
    completed_calls: int = 0

    @classmethod
    def fresh(cls, data_dir: str | None = None) -> "Workplace":
        """Return the untouched tables of a folder (by default the bundled ones).

        Raises:
            DataError: a file is missing or has other columns.
        """
        tables: dict[str, Any] = {name: Table(records) for name, records in _load(data_dir).items()}
        return cls(data_dir, **tables)


def _shared(data_dir: str | None, name: str) -> Records:
    return _load(data_dir)[name]


@functools.lru_cache(maxsize=16)
def _load(data_dir: str | None) -> dict[str, Records]:
    folder = BUNDLED if data_dir is None else Path(data_dir)
    read = {name: _read(folder / file, columns) for name, (file, columns) in FILES.items()}
    for visit in read["visits"]:
        visit["user_engaged"] = visit["user_engaged"] == "True"
        if not (visit["session_duration_seconds"] or "").isdecimal():
            raise DataError(f"table {folder / FILES['visits'][0]}: session_duration_seconds in {visit}")
    columns = {name: columns for name, (_, columns) in FILES.items()}
    read |= {"plots": [], "addresses": _addresses(folder, read["events"])}
    columns |= {"plots": ("file_path",), "addresses": ("address",)}
    return {
        name: Records(columns[name], records, (_shared, (data_dir, name)))
        for name, records in read.items()
    }


def _read(path: Path, columns: tuple[str, ...]) -> list[Record]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = list(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"table {path} cannot be read: {error}") from error
    if not lines or tuple(lines[0]) != columns:
        raise DataError(f"table {path}: expected the columns {', '.join(columns)}")
    for number, line in enumerate(lines[1:], start=1):
        if len(line) != len(columns) or not line[0]:
            raise DataError(f"table {path}, record {number}: expected {len(columns)} cells, got {line}")
    return [
        {column: cell or None for column, cell in zip(columns, line, strict=True)} for line in lines[1:]
    ]


def _addresses(folder: Path, events: list[Record]) -> list[Record]:
    """Return the company's addresses: one a line of their file, else those that the calendar invites."""
    path = folder / "email_addresses.csv"
    if path.is_file():
        found = path.read_text(encoding="utf-8").split()
    else:
        found = sorted({event["participant_email"] for event in events if event["participant_email"]})
    return [{"address": address} for address in found]
