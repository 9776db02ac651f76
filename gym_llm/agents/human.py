"""HumanAgent: a person at a terminal."""

import asyncio
from collections.abc import Callable
from typing import Any


class HumanAgent:
    """Asks a person for every action.

    Args:
        ask: shows a text and returns what was typed.
    """

    def __init__(self, ask: Callable[[str], str]) -> None:
        self._ask = ask

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        """Return what the person types."""
        return await asyncio.to_thread(self._ask, observation)
