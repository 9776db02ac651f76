"""Customer relations: search, add, update, delete customers."""

from typing import Any

from gym_llm.core.tools import ToolError
from gym_llm.envs.agent.workplace.fields import (
    Address,
    AnyCell,
    Cell,
    Day,
    Product,
    Query,
    Status,
    contains,
    kinds,
    one_page,
    update,
)
from gym_llm.envs.agent.workplace.state import FILES, Workplace
from gym_llm.envs.agent.workplace.tables import Record

CHECKS = kinds(
    dict.fromkeys(FILES["customers"][1], Cell)
    | {"assigned_to_email": Address, "customer_email": Address}
    | {"product_interest": Product, "status": Status}
)


def search_customers(
    state: Workplace,
    customer_name: Query = "",
    customer_email: Query = "",
    product_interest: Query = "",
    status: Query = "",
    assigned_to_email: Query = "",
    last_contact_date_min: Day = "",
    last_contact_date_max: Day = "",
    follow_up_by_min: Day = "",
    follow_up_by_max: Day = "",
    page: int = 1,
    page_size: int = 5,
) -> Record | str:
    """Search customers by parts of their fields and by dates, compared as texts; give at least one."""
    parts = {
        "customer_name": customer_name,
        "customer_email": customer_email,
        "product_interest": product_interest,
        "status": status,
        "assigned_to_email": assigned_to_email,
    }
    wanted = {column: text for column, text in parts.items() if text}
    ranges = {
        "last_contact_date": (last_contact_date_min, last_contact_date_max),
        "follow_up_by": (follow_up_by_min, follow_up_by_max),
    }
    if not wanted and not any(bound for bounds in ranges.values() for bound in bounds):
        raise ToolError("give at least one thing to search for")
    found = [
        customer
        for customer in state.customers
        if all(contains(customer[column], text) for column, text in wanted.items())
        and all(_is_within(customer[column], *bounds) for column, bounds in ranges.items())
    ]
    return one_page(found, "customers", page, page_size)


def update_customer(state: Workplace, customer_id: str, field: str, new_value: Cell) -> str:
    """Change one field of a customer; status and product_interest have fixed values."""
    return update(state.customers, customer_id, field, new_value, CHECKS)


def add_customer(
    state: Workplace,
    customer_name: Cell,
    assigned_to_email: Address,
    status: Cell,
    customer_email: str | None = None,
    customer_phone: AnyCell | None = None,
    last_contact_date: AnyCell | None = None,
    product_interest: AnyCell | None = None,
    notes: AnyCell = "",
    follow_up_by: AnyCell | None = None,
) -> str:
    """Add a customer; status is Qualified, Won, Lost, Lead or Proposal. The result is its id."""
    customer_id = f"{state.customers.next_id():08}"
    record = {
        "customer_id": customer_id,
        "assigned_to_email": assigned_to_email,
        "customer_name": customer_name,
        "customer_email": customer_email and customer_email.lower(),
        "customer_phone": customer_phone,
        "last_contact_date": last_contact_date,
        "product_interest": product_interest,
        "status": status,
        "follow_up_by": follow_up_by,
        "notes": notes,
    }
    state.customers.add(record)
    return customer_id


def delete_customer(state: Workplace, customer_id: str) -> str:
    """Delete a customer."""
    state.customers.delete(customer_id)
    return "The customer was deleted."


def _is_within(cell: Any, least: str, most: str) -> bool:
    # As texts: "2023-11-30 23:59:00" is after "2023-11-30", as in the public data set's truths.
    if cell is None:
        return not least and not most
    return str(cell) >= least and (not most or str(cell) <= most)


TOOLS = (search_customers, update_customer, add_customer, delete_customer)
