"""The company directory."""

from gym_llm.envs.agent.workplace.fields import Query, contains
from gym_llm.envs.agent.workplace.state import Workplace


def find_email_address(state: Workplace, name: Query) -> list[str] | str:
    """List the company's e-mail addresses that contain a name or a part of one."""
    found = [r["address"] for r in state.addresses if name and contains(r["address"], name)]
    return found or "No address found."
