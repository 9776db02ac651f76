"""The task board: look up, search, create, update, delete tasks."""

from gym_llm.core.tools import ToolError
from gym_llm.envs.agent.workplace.fields import (
    Address,
    Board,
    Cell,
    ListName,
    Query,
    Recipient,
    contains,
    kinds,
    update,
)
from gym_llm.envs.agent.workplace.state import FILES, Workplace
from gym_llm.envs.agent.workplace.tables import Record

CHECKS = kinds(
    dict.fromkeys(FILES["tasks"][1], Cell)
    | {"assigned_to_email": Address, "list_name": ListName, "board": Board}
)


def get_task_information_by_id(state: Workplace, task_id: str, field: str) -> Record:
    """Show one field of a task: task_name, assigned_to_email, list_name, due_date or board."""
    return state.tasks.cell(task_id, field)


def search_tasks(
    state: Workplace,
    task_name: Query = "",
    assigned_to_email: Recipient | None = None,
    list_name: Query = "",
    due_date: Query = "",
    board: Query = "",
) -> list[Record] | str:
    """Search tasks by parts of their fields and the assignee's whole address; give at least one."""
    parts = {"task_name": task_name, "list_name": list_name, "due_date": due_date, "board": board}
    wanted = {column: text for column, text in parts.items() if text}
    if not wanted and assigned_to_email is None:
        raise ToolError("give at least one thing to search for")
    found = [
        task
        for task in state.tasks
        if assigned_to_email in (None, str(task["assigned_to_email"]).lower())
        and all(contains(task[column], text) for column, text in wanted.items())
    ]
    return found or "No tasks found."


def create_task(
    state: Workplace,
    task_name: Cell,
    assigned_to_email: Address,
    list_name: ListName,
    due_date: Cell,
    board: Board,
) -> str:
    """Create a task, due on a date (YYYY-MM-DD), for somebody who has tasks; the result is its id."""
    _check_assignee(state, assigned_to_email)
    task_id = f"{state.tasks.next_id():08}"
    record = {
        "task_id": task_id,
        "task_name": task_name,
        "assigned_to_email": assigned_to_email,
        "list_name": list_name,
        "due_date": due_date,
        "board": board,
    }
    state.tasks.add(record)
    return task_id


def delete_task(state: Workplace, task_id: str) -> str:
    """Delete a task."""
    state.tasks.delete(task_id)
    return "The task was deleted."


def update_task(state: Workplace, task_id: str, field: str, new_value: Cell) -> str:
    """Change one field of a task: task_name, assigned_to_email, list_name, due_date or board."""
    if field == "assigned_to_email":
        _check_assignee(state, str(new_value))
    return update(state.tasks, task_id, field, new_value, CHECKS)


def _check_assignee(state: Workplace, address: str) -> None:
    if address.lower() not in {str(task["assigned_to_email"]).lower() for task in state.tasks}:
        raise ToolError(f"{address[:100]!r} is nobody's address on the task board")


TOOLS = (get_task_information_by_id, search_tasks, create_task, delete_task, update_task)
