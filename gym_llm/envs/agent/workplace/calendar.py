"""The calendar: look up, search, create, update, delete events."""

from datetime import datetime

from gym_llm.core.tools import ToolError
from gym_llm.envs.agent.workplace.fields import (
    Address,
    Bound,
    Cell,
    Minutes,
    Moment,
    Query,
    contains,
    kinds,
    one_page,
    parse_timestamp,
    update,
)
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.envs.agent.workplace.tables import Record

CHECKS = kinds(
    {"event_name": Cell, "participant_email": Address, "event_start": Moment, "duration": Minutes}
)


def get_event_information_by_id(state: Workplace, event_id: str, field: str) -> Record:
    """Show one field of an event: event_name, participant_email, event_start or duration."""
    if not (event_id.isdecimal() and len(event_id) == 8):
        raise ToolError("event_id must have 8 digits")
    return state.events.cell(event_id, field)


def search_events(
    state: Workplace,
    query: Query = "",
    time_min: Bound | None = None,
    time_max: Bound | None = None,
    page: int = 1,
    page_size: int = 5,
) -> Record | str:
    """Search events, newest first, by a text in name or participant and by when they start."""
    earliest = parse_timestamp(time_min) or datetime.min
    latest = parse_timestamp(time_max) or datetime.max
    found = [
        event
        for event in state.events
        if (contains(event["event_name"], query) or contains(event["participant_email"], query))
        and earliest <= _start(event) <= latest
    ]
    found.sort(key=_start, reverse=True)
    return one_page(found, "events", page, page_size)


def create_event(
    state: Workplace,
    event_name: Cell,
    participant_email: Address,
    event_start: Moment,
    duration: Minutes,
) -> str:
    """Create an event with one participant; the result is its id."""
    event_id = f"{state.events.next_id():08}"
    record = {
        "event_id": event_id,
        "event_name": event_name,
        "participant_email": participant_email,
        "event_start": event_start,
        "duration": duration,
    }
    state.events.add(record)
    return event_id


def delete_event(state: Workplace, event_id: str) -> str:
    """Delete an event."""
    state.events.delete(event_id)
    return "The event was deleted."


def update_event(state: Workplace, event_id: str, field: str, new_value: Cell) -> str:
    """Change one field of an event: event_name, participant_email, event_start or duration."""
    return update(state.events, event_id, field, new_value, CHECKS)


def _start(event: Record) -> datetime:
    return parse_timestamp(event["event_start"]) or datetime.min


TOOLS = (get_event_information_by_id, search_events, create_event, delete_event, update_event)
