"""Mail: look up, search, send, forward, reply, delete."""

from gym_llm.envs.agent.workplace.fields import Bound, Cell, Query, Recipient, one_page, parse_timestamp
from gym_llm.envs.agent.workplace.state import Workplace
from gym_llm.envs.agent.workplace.tables import Record

NOW = "2023-11-30 23:59:00"
"""When every episode takes place."""


def get_email_information_by_id(state: Workplace, email_id: str, field: str) -> Record:
    """Show one field of an e-mail: inbox/outbox, sender/recipient, subject, sent_datetime or body."""
    return state.emails.cell(email_id, field)


def search_emails(
    state: Workplace,
    query: Query = "",
    date_min: Bound | None = None,
    date_max: Bound | None = None,
    page: int = 1,
    page_size: int = 5,
) -> Record | str:
    """Search e-mails, newest first: every word of the query is in subject, body or address."""
    words = [*dict.fromkeys(query.lower().split())]
    first, last = (bound and str(parse_timestamp(bound))[:10] for bound in (date_min, date_max))
    found = [
        mail
        for mail in state.emails
        if (not first or str(mail["sent_datetime"])[:10] >= first)
        and (not last or str(mail["sent_datetime"])[:10] <= last)
        and _has_words(mail, words)
    ]
    found.sort(key=lambda mail: str(mail["sent_datetime"]), reverse=True)
    return one_page(found, "emails", page, page_size)


def send_email(state: Workplace, recipient: Recipient, subject: Cell, body: Cell) -> str:
    """Send an e-mail."""
    record = {
        # Without zeros in front: truths of the public data set name such ids.
        "email_id": str(state.emails.next_id()),
        "inbox/outbox": "outbox",
        "sender/recipient": recipient,
        "subject": subject,
        "sent_datetime": NOW,
        "body": body,
    }
    state.emails.add(record)
    return "The e-mail was sent."


def delete_email(state: Workplace, email_id: str) -> str:
    """Delete an e-mail."""
    state.emails.delete(email_id)
    return "The e-mail was deleted."


def forward_email(state: Workplace, email_id: str, recipient: Recipient) -> str:
    """Forward an e-mail to somebody."""
    mail = state.emails.find(email_id)
    return send_email(state, recipient, f"FW: {mail['subject']}", mail["body"])


def reply_email(state: Workplace, email_id: str, body: Cell) -> str:
    """Reply to an e-mail."""
    mail = state.emails.find(email_id)
    return send_email(state, str(mail["sender/recipient"]).lower(), f"RE: {mail['subject']}", body)


def _has_words(mail: Record, words: list[str]) -> bool:
    text = f"{mail['subject']} {mail['body']} {mail['sender/recipient']}".lower()
    return all(word in text for word in words)


TOOLS = (
    get_email_information_by_id,
    search_emails,
    send_email,
    delete_email,
    forward_email,
    reply_email,
)
